import type { IncomingMessage, RequestListener } from "node:http";
import { expect, test, vi } from "vitest";
import { createFetch, type Wait } from "../../src/fetch/index.ts";
import { type HttpServer, serve } from "../support/http-server.ts";

/** Reads the body of a request. */
async function readBody(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) {
    text += chunk;
  }
  return text;
}

/** Serves, and closes the server also if the test fails. */
async function withServer(
  listener: RequestListener,
  run: (url: string) => Promise<void>,
): Promise<void> {
  const server: HttpServer = await serve(listener);
  try {
    await run(server.url);
  } finally {
    await server[Symbol.asyncDispose]();
  }
}

test.each([
  ["a string", (url: string, body: string) => [url, { method: "POST", body }] as const],
  [
    "a Request",
    (url: string, body: string) => [new Request(url, { method: "POST", body })] as const,
  ],
])("a denied body arrives again in full: %s", async (_, argumentsFor) => {
  const bodies: string[] = [];
  const body = "x".repeat(1_000_000);
  await withServer(
    async (request, response) => {
      bodies.push(await readBody(request));
      // A date in the past is no wait, so these are the shortest ones.
      const headers = {
        "Retry-After": "Fri, 01 Jan 2027 00:00:00 GMT",
        Date: "Fri, 01 Jan 2027 00:00:01 GMT",
      };
      response.writeHead(bodies.length < 3 ? 429 : 200, headers).end("a body");
    },
    async (url) => {
      const waits: Wait[] = [];
      const waiting = createFetch({ onWait: (wait) => waits.push(wait) });
      const [input, init] = argumentsFor(url, body);
      const response = await waiting(input, init);
      expect([response.status, await response.text()]).toEqual([200, "a body"]);
      expect(bodies).toEqual([body, body, body]);
      expect(waits.map(({ reason }) => reason)).toEqual(["backoff", "backoff"]);
    },
  );
});

test("a Request as the init arrives with its method and body", async () => {
  await withServer(
    async (request, response) => {
      response.end(`${request.method} ${request.url} ${await readBody(request)}`);
    },
    async (url) => {
      const init = new Request(`${url}b`, { method: "POST", body: "hello" });
      const response = await createFetch()(`${url}a`, init as RequestInit);
      expect(await response.text()).toBe("POST /a hello");
    },
  );
});

test("a lost connection is a network error, and an idempotent request is sent again", async () => {
  let requests = 0;
  await withServer(
    (request, response) => {
      requests++;
      if (requests === 1) {
        request.socket.destroy();
      } else {
        response.end("fine");
      }
    },
    async (url) => {
      const response = await createFetch()(new URL(url));
      expect(await response.text()).toBe("fine");
      expect(requests).toBe(2);
    },
  );
});

test("a POST on a lost connection is not sent again", async () => {
  let requests = 0;
  await withServer(
    (request) => {
      requests++;
      request.socket.destroy();
    },
    async (url) => {
      await expect(createFetch()(url, { method: "POST", body: "a" })).rejects.toThrow(TypeError);
      expect(requests).toBe(1);
    },
  );
});

test("a stream is sent once", async () => {
  let requests = 0;
  await withServer(
    async (request, response) => {
      requests++;
      await readBody(request);
      response.writeHead(429).end();
    },
    async (url) => {
      const init = { method: "PUT", body: new Blob(["a"]).stream(), duplex: "half" };
      expect((await createFetch()(url, init as RequestInit)).status).toBe(429);
      expect(requests).toBe(1);
    },
  );
});

test("a signal ends the wait for a server, and a try that hangs", async () => {
  await withServer(
    (request, response) => {
      if (request.url === "/denied") {
        response.writeHead(429, { "Retry-After": "30" }).end();
      }
    },
    async (url) => {
      const controller = new AbortController();
      const waiting = createFetch({ onWait: () => controller.abort(new Error("enough")) });
      const denied = waiting(`${url}denied`, { signal: controller.signal });
      await expect(denied).rejects.toThrow("enough");
      const hanging = createFetch()(`${url}hang`, { signal: AbortSignal.timeout(50) });
      await expect(hanging).rejects.toHaveProperty("name", "TimeoutError");
    },
  );
});

test("Node hides no headers, so nothing is said in the console", async () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
  await withServer(
    (_, response) => response.writeHead(429).end(),
    async (url) => {
      expect((await createFetch({ maxTries: 1 })(url)).status).toBe(429);
      expect(warn).not.toHaveBeenCalled();
    },
  );
  warn.mockRestore();
});

test("after a redirect, only an idempotent request is sent again", async () => {
  const paths: string[] = [];
  await withServer(
    (request, response) => {
      paths.push(`${request.method} ${request.url}`);
      // The order exists, and is not shown yet.
      const isShown = paths.length > 2;
      if (request.url === "/orders") {
        response.writeHead(303, { Location: "/orders/7" }).end();
      } else {
        response.writeHead(isShown ? 200 : 429, { "Retry-After": "0" }).end();
      }
    },
    async (url) => {
      const waiting = createFetch();
      const created = await waiting(`${url}orders`, { method: "POST", body: "2 apples" });
      expect([created.status, paths]).toEqual([429, ["POST /orders", "GET /orders/7"]]);
      paths.length = 0;
      const headers = { "Idempotency-Key": "7" };
      const repeated = await waiting(`${url}orders`, { method: "POST", body: "2 apples", headers });
      expect([repeated.status, paths.length]).toEqual([200, 4]);
    },
  );
});
