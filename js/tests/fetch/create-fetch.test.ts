import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createFetch, type Wait } from "../../src/fetch/index.ts";
import { answer, fakeFetch, settle } from "../support/server.ts";

const URL_ = "https://api.example.com/search";
const ok = answer(200);
const denied = answer(429, { "Retry-After": "2" });
const networkError = new TypeError("fetch failed");

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2027, 0, 15, 8) });
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

describe("the wait", () => {
  test.each([
    ["seconds", { "Retry-After": "2" }, 2000, "retry-after"],
    ["a date", { "Retry-After": "Fri, 15 Jan 2027 08:00:02 GMT" }, 2000, "retry-after"],
    ["RateLimit", { RateLimit: '"a";r=0;t=3' }, 3000, "ratelimit"],
    ["X-RateLimit", { "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "4" }, 4000, "ratelimit"],
    [
      "Retry-After before others",
      { "Retry-After": "2", RateLimit: '"a";r=0;t=9' },
      2000,
      "retry-after",
    ],
    ["none", {}, 100, "backoff"],
    ["zero", { "Retry-After": "0", RateLimit: '"a";r=1;t=9' }, 100, "backoff"],
  ])("%s", async (_, headers, waitMs, reason) => {
    const waits: Wait[] = [];
    const fake = fakeFetch(answer(429, headers as Record<string, string>), ok);
    const call = createFetch({ fetch: fake, onWait: (wait) => waits.push(wait) })(URL_);
    await settle(call);
    expect((await call).status).toBe(200);
    expect(waits).toHaveLength(1);
    expect(waits[0]).toMatchObject({ attempt: 1, reason, response: { status: 429 } });
    const [first = 0, second = 0] = fake.times;
    // The jitter may double a wait that the server does not give.
    const most = waitMs === 100 ? 200 : waitMs + Math.max(waitMs / 10, 100);
    expect(second - first).toBeGreaterThanOrEqual(waits[0]?.waitMs ?? 0);
    expect(waits[0]?.waitMs).toBeGreaterThanOrEqual(waitMs);
    expect(waits[0]?.waitMs).toBeLessThanOrEqual(most);
  });

  test("longer than any timer is waited in parts", async () => {
    const month = 30 * 86_400;
    const fake = fakeFetch(answer(429, { "Retry-After": String(month) }), ok);
    const call = createFetch({ fetch: fake, maxWaitMs: Number.POSITIVE_INFINITY })(URL_);
    expect(await settle(call)).toBeGreaterThanOrEqual(month * 1000);
    expect((await call).status).toBe(200);
  });

  test("that does not fit is not begun, and the response is returned", async () => {
    const onWait = vi.fn();
    const fake = fakeFetch(answer(429, { "Retry-After": "61" }));
    const call = createFetch({ fetch: fake, onWait })(URL_);
    expect(await settle(call)).toBe(0);
    expect((await call).status).toBe(429);
    expect(onWait).not.toHaveBeenCalled();
  });

  test("is bounded in total, counted from the call", async () => {
    const fake = fakeFetch(denied);
    const call = createFetch({ fetch: fake, maxWaitMs: 9000 })(URL_);
    expect(await settle(call)).toBeLessThanOrEqual(9001);
    expect((await call).status).toBe(429);
    expect(fake.times).toHaveLength(5);
  });

  test("of a request that costs more than the limit is none", async () => {
    const fake = fakeFetch(answer(429, { RateLimit: '"a";r=5;t=9' }));
    expect((await createFetch({ fetch: fake })(URL_)).status).toBe(429);
    expect(fake.times).toHaveLength(1);
  });
});

describe("the number of tries", () => {
  test("is five by default if the server gives no wait", async () => {
    const fake = fakeFetch(answer(503));
    const call = createFetch({ fetch: fake })(URL_);
    await settle(call);
    expect((await call).status).toBe(503);
    expect(fake.times).toHaveLength(5);
  });

  test("is not bounded by default if the server gives the waits", async () => {
    const fake = fakeFetch(...Array<Response>(20).fill(denied), ok);
    const call = createFetch({ fetch: fake })(URL_);
    await settle(call);
    expect((await call).status).toBe(200);
  });

  test("is bounded by maxTries", async () => {
    const fake = fakeFetch(denied);
    const call = createFetch({ fetch: fake, maxTries: 3 })(URL_);
    await settle(call);
    expect((await call).status).toBe(429);
    expect(fake.times).toHaveLength(3);
  });
});

describe("a request is sent again", () => {
  const post = { method: "POST", body: "text" };
  const key = { "Idempotency-Key": '"8e03978e"' };
  test.each([
    ["429 after POST", URL_, post, denied, 2],
    ["503 after POST", URL_, post, answer(503), 1],
    ["503 after POST with Idempotency-Key", URL_, { ...post, headers: key }, answer(503), 2],
    ["503 after PUT", URL_, { ...post, method: "PUT" }, answer(503), 2],
    ["network error after GET", URL_, undefined, networkError, 2],
    ["network error after POST", URL_, post, networkError, 1],
    [
      "network error after POST with Idempotency-Key",
      URL_,
      { ...post, headers: [["idempotency-key", "1"]] },
      networkError,
      2,
    ],
    [
      "network error of a Request",
      new Request(URL_, { headers: key, method: "PATCH", body: "a" }),
      undefined,
      networkError,
      2,
    ],
    ["another error", URL_, undefined, new RangeError("no"), 1],
    ["500", URL_, undefined, answer(500, { "Retry-After": "1" }), 1],
    ["a method of a Request", new Request(URL_, { method: "DELETE" }), undefined, answer(502), 2],
    [
      "a method that replaces that of a Request",
      new Request(URL_),
      { method: "PATCH" },
      answer(502),
      1,
    ],
    [
      "headers that replace those of a Request",
      new Request(URL_, { headers: key, method: "PATCH" }),
      { headers: {} },
      answer(502),
      1,
    ],
    [
      "the method of a Request as the init",
      URL_,
      new Request(URL_, { method: "PATCH" }),
      networkError,
      1,
    ],
    [
      "the headers of a Request as the init",
      URL_,
      new Request(URL_, { method: "PATCH", headers: key }),
      networkError,
      2,
    ],
    ["a URL object", new URL(URL_), undefined, answer(408), 2],
  ] as const)("or not: %s", async (_, input, init, first, tries) => {
    const fake = fakeFetch(first, ok);
    const call = createFetch({ fetch: fake })(input, init as RequestInit | undefined);
    await settle(call);
    expect(fake.times).toHaveLength(tries);
    if (tries === 2) {
      expect((await call).status).toBe(200);
    } else if (first instanceof Error) {
      await expect(call).rejects.toBe(first);
    } else {
      expect((await call).status).toBe(first.status);
    }
  });

  test("unless the arguments are wrong", async () => {
    const fetches = vi.fn(() => Promise.reject(networkError));
    for (const [input, init] of [
      ["http://", {}],
      [URL_, { method: "GET", body: "text" }],
    ] as const) {
      await expect(createFetch({ fetch: fetches })(input, init)).rejects.toBe(networkError);
    }
    await expect(
      createFetch({ fetch: fetches })(URL_, { headers: [["a b", "c"]] }),
    ).rejects.toThrow();
    expect(fetches).toHaveBeenCalledTimes(2);
  });

  test("also with a relative URL, if another fetch accepts it", async () => {
    const fetches = vi
      .fn<typeof fetch>()
      .mockRejectedValueOnce(networkError)
      .mockResolvedValueOnce(ok);
    const call = createFetch({ fetch: fetches })("/api/search?q=log");
    await settle(call);
    expect((await call).status).toBe(200);
    expect(fetches).toHaveBeenCalledTimes(2);
  });

  test("after a network error of another realm", async () => {
    const other: Error = runInNewContext('new TypeError("fetch failed")');
    expect(other).not.toBeInstanceOf(TypeError);
    const fetches = vi.fn<typeof fetch>().mockRejectedValueOnce(other).mockResolvedValueOnce(ok);
    const call = createFetch({ fetch: fetches })(URL_);
    await settle(call);
    expect((await call).status).toBe(200);
  });

  test("unless a response cannot be read", async () => {
    const fake = fakeFetch(() => ({ status: 200 }));
    await expect(createFetch({ fetch: fake })(URL_)).rejects.toThrow(TypeError);
    expect(fake.times).toHaveLength(1);
  });

  test("after a network error, and onWait knows it", async () => {
    const waits: Wait[] = [];
    const fake = fakeFetch(networkError, networkError, ok);
    const call = createFetch({ fetch: fake, onWait: (wait) => waits.push(wait) })(URL_);
    await settle(call);
    expect((await call).status).toBe(200);
    expect(waits.map(({ attempt, reason, response }) => [attempt, reason, response])).toEqual([
      [1, "network-error", undefined],
      [2, "network-error", undefined],
    ]);
  });
});

test("sends headers that can be read once", async () => {
  const sent: Headers[] = [];
  const waiting = createFetch({
    fetch: async (_, init) => {
      sent.push(new Headers(init?.headers));
      return new Response();
    },
  });
  const headers = new Map([["authorization", "secret"]]).entries() as unknown as HeadersInit;
  await waiting("https://example.com/", { headers });
  expect(sent.map((one) => one.get("authorization"))).toEqual(["secret"]);
});

test("the global fetch is used if there is no other, also if it is replaced", async () => {
  const call = createFetch();
  vi.stubGlobal("fetch", fakeFetch(ok));
  expect((await call(URL_)).status).toBe(200);
  vi.unstubAllGlobals();
});

test("an async onWait that rejects during the wait rejects the request", async () => {
  const error = new Error("no progress bar");
  const rejectAfter = (ms: number) => async () => {
    await new Promise((resolve) => setTimeout(resolve, ms));
    throw error;
  };
  const fetchOf = (onWait: () => Promise<never>, ...options: object[]) =>
    createFetch({ fetch: fakeFetch(denied, answer(200)), onWait, ...options[0] });
  const rejected = fetchOf(rejectAfter(100))(URL_);
  rejected.catch(() => {});
  await vi.advanceTimersByTimeAsync(100);
  await expect(rejected).rejects.toBe(error);
  expect(vi.getTimerCount()).toBe(0);
  // It is not waited for, and an error after the wait concerns nobody.
  const late = fetchOf(rejectAfter(60_000))(URL_);
  await settle(late);
  expect((await late).status).toBe(200);
  await vi.advanceTimersByTimeAsync(60_000);
  // The one that is called while the request is held back.
  const onWait = rejectAfter(0);
  const paced = createFetch({
    fetch: fakeFetch(answer(200, { RateLimit: '"a";r=0;t=5' }), answer(200)),
    pace: true,
    onWait,
  });
  await paced(URL_);
  const held = paced(URL_);
  held.catch(() => {});
  await vi.advanceTimersByTimeAsync(0);
  await expect(held).rejects.toBe(error);
});

test("an error of onWait rejects the request", async () => {
  const error = new Error("no more");
  const onWait = () => {
    throw error;
  };
  await expect(createFetch({ fetch: fakeFetch(denied), onWait })(URL_)).rejects.toBe(error);
});

test("options out of range are errors", () => {
  expect(() => createFetch({ maxTries: 0 })).toThrow(
    new RangeError("maxTries must be 1 or more, not 0"),
  );
  expect(() => createFetch({ maxTries: Number.NaN })).toThrow(RangeError);
  expect(() => createFetch({ maxWaitMs: -1 })).toThrow(
    new RangeError("maxWaitMs must be 0 or more, not -1"),
  );
});

test("an invalid URL is an error of fetch", async () => {
  await expect(createFetch()("/relative")).rejects.toThrow(TypeError);
});
