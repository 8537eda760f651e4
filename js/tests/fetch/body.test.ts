import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createFetch } from "../../src/fetch/index.ts";
import { answer, fakeFetch, settle } from "../support/server.ts";

const URL_ = "https://api.example.com/upload";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function stream(): ReadableStream {
  return new Blob(["text"]).stream();
}

function form(): FormData {
  const data = new FormData();
  data.append("name", "text");
  return data;
}

async function* generate() {
  yield new TextEncoder().encode("text");
}

test.each([
  ["a string", () => "text", 2],
  ["a Blob", () => new Blob(["text"]), 2],
  ["an ArrayBuffer", () => new TextEncoder().encode("text").buffer, 2],
  ["a typed array", () => new TextEncoder().encode("text"), 2],
  ["parameters", () => new URLSearchParams({ text: "" }), 2],
  ["a form", form, 2],
  ["null", () => null, 2],
  ["a stream", stream, 1],
  ["an asynchronous iterable", generate, 1],
])("%s is sent as often as it may be", async (_, body, tries) => {
  const fake = fakeFetch(answer(429, { "Retry-After": "1" }), answer(200));
  const init = { method: "PUT", body: body(), duplex: "half" } as RequestInit;
  const call = createFetch({ fetch: fake })(URL_, init);
  await settle(call);
  expect((await call).status).toBe(tries === 2 ? 200 : 429);
  expect(fake.sent).toHaveLength(tries);
  expect(fake.sent.every((text) => text.includes("text") || body() === null)).toBe(true);
});

test("a stream is not sent again after an error", async () => {
  const error = new TypeError("fetch failed");
  const fake = fakeFetch(error);
  const init = { method: "PUT", body: stream(), duplex: "half" } as RequestInit;
  await expect(createFetch({ fetch: fake })(URL_, init)).rejects.toBe(error);
  expect(fake.times).toHaveLength(1);
});

test("the body of a Request is sent again, and is used in the end", async () => {
  const fake = fakeFetch(answer(503), new TypeError("fetch failed"), answer(200));
  const request = new Request(URL_, { method: "PUT", body: "text" });
  const call = createFetch({ fetch: fake })(request);
  await settle(call);
  expect((await call).status).toBe(200);
  expect(fake.sent).toEqual(["text", "text", "text"]);
  expect(request.bodyUsed).toBe(true);
});

test("a Request whose body is used is an error at once", async () => {
  const fake = fakeFetch(answer(200));
  const request = new Request(URL_, { method: "PUT", body: "text" });
  await request.text();
  await expect(createFetch({ fetch: fake })(request)).rejects.toThrow(TypeError);
  expect(fake.times).toEqual([]);
});

test("a Request as the init is sent as fetch sends it: with its method, and its body once", async () => {
  const methods: string[] = [];
  const fake = fakeFetch((input, init) => {
    methods.push(new Request(input, { ...init, body: null }).method);
    return answer(429, { "Retry-After": "1" });
  });
  const headers = { "Idempotency-Key": "7" };
  const request = new Request("https://other.example.com/", {
    method: "POST",
    body: "text",
    headers,
  });
  const response = await createFetch({ fetch: fake })(URL_, request as RequestInit);
  expect(response.status).toBe(429);
  expect([methods, fake.sent]).toEqual([["POST"], ["text"]]);
});

test("the members of an init may be those of its class, and are read once", async () => {
  const read: string[] = [];
  class Init {
    get method() {
      read.push("method");
      return "PUT";
    }
    get headers() {
      read.push("headers");
      return new Map([["x-own", "yes"]]).entries();
    }
    get body() {
      read.push("body");
      return "text";
    }
  }
  const sent: unknown[] = [];
  const fake = fakeFetch((input, init) => {
    const { method, headers } = new Request(input, init);
    sent.push([method, headers.get("x-own")]);
    return answer(sent.length < 2 ? 503 : 200);
  });
  const call = createFetch({ fetch: fake })(URL_, new Init() as unknown as RequestInit);
  await settle(call);
  expect((await call).status).toBe(200);
  expect([sent, fake.sent]).toEqual([
    [
      ["PUT", "yes"],
      ["PUT", "yes"],
    ],
    ["text", "text"],
  ]);
  expect(read.sort()).toEqual(["body", "headers", "method"]);
});

test("the body of a response is discarded when it is not returned", async () => {
  const cancelled = vi.fn();
  const body = new ReadableStream({ cancel: cancelled });
  const fetches = vi
    .fn<typeof fetch>()
    .mockResolvedValueOnce(new Response(body, { status: 503 }))
    .mockResolvedValueOnce(new Response("fine"));
  const call = createFetch({ fetch: fetches })(URL_);
  await settle(call);
  expect(await (await call).text()).toBe("fine");
  expect(cancelled).toHaveBeenCalledOnce();
});

test.each([
  ["onWait throws", false],
  ["the signal is aborted", true],
])("the body of a response is discarded if %s", async (_, isAborted) => {
  const cancelled = vi.fn();
  const controller = new AbortController();
  const fetches = async () => {
    if (isAborted) {
      controller.abort(new Error("stop"));
    }
    return new Response(new ReadableStream({ cancel: cancelled }), { status: 503 });
  };
  const onWait = () => {
    throw new Error("stop");
  };
  const call = createFetch({ fetch: fetches, onWait })(URL_, { signal: controller.signal });
  await expect(call).rejects.toThrow("stop");
  expect(cancelled).toHaveBeenCalledOnce();
});

test("the body of a Request is taken at once, also if the request is held back", async () => {
  const fake = fakeFetch(answer(200, { RateLimit: '"a";r=0;t=5' }), answer(200));
  const paced = createFetch({ fetch: fake, pace: true });
  await paced(URL_);
  const request = new Request(URL_, { method: "POST", body: "text" });
  const call = paced(request);
  expect(await request.text()).toBe("text");
  // Nobody can send this one again.
  await expect(paced(request)).rejects.toThrow(TypeError);
  await settle(call);
  expect((await call).status).toBe(200);
  expect(fake.sent).toEqual(["", "text"]);
});

test.each(["onWait throws", "the signal is aborted"])(
  "the body of a paced request is discarded if %s",
  async (reason) => {
    const cancelled = vi.fn();
    const controller = new AbortController();
    const headers = { ratelimit: '"a";r=0;t=9' };
    const onWait = () => {
      if (reason === "onWait throws") {
        throw new Error("stop");
      }
      controller.abort(new Error("stop"));
    };
    const paced = createFetch({
      fetch: async () => new Response("fine", { headers }),
      pace: true,
      onWait,
    });
    await paced(URL_);
    const body = new ReadableStream({ cancel: cancelled });
    const init = { method: "POST", body, duplex: "half", signal: controller.signal };
    await expect(paced(new Request(URL_, init as RequestInit))).rejects.toThrow("stop");
    await vi.waitFor(() => expect(cancelled).toHaveBeenCalledOnce());
  },
);

test("onWait may read the body of the response", async () => {
  let text: Promise<string> | undefined;
  const fake = fakeFetch(new Response("why", { status: 503 }), answer(200));
  const onWait = ({ response }: { response: Response | undefined }) => {
    text = response?.text();
  };
  const call = createFetch({ fetch: fake, onWait })(URL_);
  await settle(call);
  expect((await call).status).toBe(200);
  expect(await text).toBe("why");
});
