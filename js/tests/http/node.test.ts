import { EventEmitter, once } from "node:events";
import { createServer, type IncomingMessage, ServerResponse } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { HttpLimiter } from "../../src/http/http-limiter.ts";
import { NodeHead, peerOf } from "../../src/http/node.ts";
import { finishNode } from "../../src/http/node-response.ts";
import { RequestState } from "../../src/http/request-checks.ts";
import { frozenLimiter } from "../support/frozen-limiter.ts";
import { serve } from "../support/http-server.ts";

test("headers are added once, before the head of a response is written", async () => {
  const counted: unknown[] = [];
  const limiter = new HttpLimiter<IncomingMessage>({
    limiter: frozenLimiter(),
    limit: "5/minute",
    countIf: ({ status, header }) =>
      counted.push([status, header("x-count"), header("x-own"), header("x-none")]) > 0,
  });
  const respond = async (request: IncomingMessage, response: ServerResponse) => {
    const scoped = [{ limits: limiter.limits, scope: "*" }];
    const state = RequestState.of(request);
    await limiter.check(state, request, new NodeHead(request, "/"), scoped);
    finishNode(state, request, response);
    finishNode(state, request, response);
    response.setHeader("X-Count", 5);
    response.writeHead(201, { "X-Own": "yes", "Access-Control-Expose-Headers": "ETag" });
    expect(() => response.writeHead(200)).toThrow("after they are sent");
    response.end("fine");
  };
  const server = await serve((request, response) => {
    respond(request, response).catch((error) => response.destroy(error));
  });
  try {
    const response = await fetch(server.url, { headers: { Origin: "https://www.example.com" } });
    expect(response.headers.get("access-control-expose-headers")).toBe(
      "ETag, RateLimit-Policy, RateLimit",
    );
    expect([response.status, await response.text()]).toEqual([201, "fine"]);
    expect(response.headers.get("ratelimit")).toBe('"5/minute";r=4;t=60');
    expect(counted).toEqual([[201, "5", "yes", undefined]]);
  } finally {
    await server[Symbol.asyncDispose]();
  }
});

/** Serves one request. Returns the headers of the response, without what varies. */
async function headersOf(
  respond: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Promise<Headers> {
  const server = await serve((request, response) => {
    respond(request, response).catch((error) => response.destroy(error));
  });
  try {
    return (await fetch(server.url)).headers;
  } finally {
    await server[Symbol.asyncDispose]();
  }
}

/** Checks a request, and prepares its response. */
async function limitRequest(
  owner: object,
  request: IncomingMessage,
  response: ServerResponse,
  scope: string = "*",
  limit: string = "5/minute",
): Promise<void> {
  const limiter = new HttpLimiter<object>({ limiter: frozenLimiter(), limit });
  const scoped = [{ limits: limiter.limits, scope }];
  const state = RequestState.of(owner);
  await limiter.check(state, owner, new NodeHead(request, "/"), scoped);
  finishNode(state, request, response);
}

test("a response of two requests has the headers of both", async () => {
  const headers = await headersOf(async (request, response) => {
    await limitRequest(request, request, response);
    await limitRequest({ another: request }, request, response, "*", "9/minute");
    response.end();
  });
  expect(headers.get("ratelimit")).toBe('"9/minute";r=8;t=60, "5/minute";r=4;t=60');
});

test("an object with a response as its prototype is a response of its own", async () => {
  for (const order of [
    ["derived", "own"],
    ["own", "derived"],
    ["own", "wrapped", "derived"],
  ]) {
    const headers = await headersOf(async (request, response) => {
      for (const step of order) {
        if (step === "wrapped") {
          const { writeHead } = response;
          response.writeHead = function (this: ServerResponse, ...args: [number]) {
            return writeHead.apply(this, args);
          } as typeof writeHead;
        } else {
          const given = step === "own" ? response : Object.create(response);
          await limitRequest(request, request, given, step);
          if (step === "derived" && order.at(-1) === "derived") {
            given.writeHead(200);
          }
        }
      }
      response.end();
    });
    expect(headers.get("ratelimit"), order.join()).toBe(
      '"5/minute";r=4;t=60, "2:5/minute";r=4;t=60',
    );
  }
});

test("a response that was given the function of another has the headers of it", async () => {
  const headers = await headersOf(async (request, response) => {
    const other = new ServerResponse(request);
    await limitRequest(request, request, other);
    response.writeHead = other.writeHead;
    response.end();
  });
  expect(headers.get("ratelimit")).toBe('"5/minute";r=4;t=60');
});

test("responses with the prototypes of a framework have the headers, once", async () => {
  // As Express has them, with an application in another.
  const parent: ServerResponse = Object.create(ServerResponse.prototype);
  const child: ServerResponse = Object.create(parent);
  const called: string[] = [];
  const limiter = new HttpLimiter<IncomingMessage>({
    limiter: frozenLimiter(),
    limit: "5/minute",
    countIf: () => called.push("countIf") > 0,
  });
  const limit = async (request: IncomingMessage, response: ServerResponse) => {
    Object.setPrototypeOf(response, child);
    if (request.url?.includes("replaced")) {
      const { writeHead } = response;
      response.writeHead = function (this: ServerResponse, ...args: [number]) {
        called.push("writeHead");
        return writeHead.apply(this, args);
      } as typeof writeHead;
    }
    const state = RequestState.of(request);
    await limiter.check(state, request, new NodeHead(request, "/"), [
      { limits: limiter.limits, scope: "*" },
    ]);
    finishNode(state, request, response);
    finishNode(state, request, response);
    Object.setPrototypeOf(response, parent);
    response.writeHead(200, { "X-Own": "yes" }).end();
  };
  const server = await serve((request, response) => {
    limit(request, response).catch((error) => response.destroy(error));
  });
  try {
    const paths = ["replaced", "", "replaced", ""];
    for (const [index, path] of paths.entries()) {
      const origin = { Origin: "https://www.example.com" };
      const { headers } = await fetch(server.url + path, { headers: index % 2 ? origin : {} });
      expect(headers.get("ratelimit"), `${index}`).toBe(`"5/minute";r=${4 - index};t=60`);
      expect(headers.has("access-control-expose-headers")).toBe(index % 2 === 1);
      expect([headers.get("x-own"), ...called.splice(0).toSorted()]).toEqual([
        "yes",
        "countIf",
        ...(path ? ["writeHead"] : []),
      ]);
    }
  } finally {
    await server[Symbol.asyncDispose]();
  }
});

test("a response that fails as it is written has the headers of the next attempt", async () => {
  const limiter = new HttpLimiter<IncomingMessage>({
    limiter: frozenLimiter(),
    limit: "5/minute",
    countIf: ({ status }) => status !== 500,
    warn: () => {},
  });
  const headers = await headersOf(async (request, response) => {
    const state = RequestState.of(request);
    await limiter.check(state, request, new NodeHead(request, "/"), [
      { limits: limiter.limits, scope: "*" },
    ]);
    finishNode(state, request, response);
    response.setHeader("RateLimit", '"other";r=0;t=1');
    expect(() => response.writeHead(1000)).toThrow("Invalid status code");
    response.writeHead(500).end();
  });
  expect(headers.get("ratelimit")).toBe('"other";r=0;t=1, "5/minute";r=5;t=60');
});

test("a response is counted once, by whatever way its head is written", async () => {
  const statuses: number[] = [];
  const limiter = new HttpLimiter<object>({
    limiter: frozenLimiter(),
    limit: "5/minute",
    countIf: ({ status }) => statuses.push(status) > 0,
  });
  const limit = async (request: IncomingMessage, response: ServerResponse) => {
    const state = RequestState.of(request);
    await limiter.check(state, request, new NodeHead(request, "/"), [
      { limits: limiter.limits, scope: "*" },
    ]);
    finishNode(state, request, response);
  };
  const headers = await headersOf(async (request, response) => {
    // A function that calls that of the response once more, as others may have replaced it since.
    const { writeHead } = response;
    let isCalled = false;
    response.writeHead = function (this: ServerResponse, ...args: [number]) {
      const write = isCalled ? writeHead : this.writeHead;
      isCalled = true;
      return write.apply(this, args);
    } as typeof writeHead;
    await limit(request, response);
    const derived = Object.create(response);
    await limit(request, derived);
    derived.writeHead(200);
    expect(statuses.splice(0)).toEqual([200, 200]);
    response.end();
  });
  expect(headers.get("ratelimit")).toBe('"5/minute";r=4;t=60, "2:5/minute";r=4;t=60');
});

test("an object that serves as the response to many requests has the headers of each", async () => {
  const limiter = new HttpLimiter<object>({
    limiter: frozenLimiter(),
    limit: "100000/minute",
    countIf: ({ status }) => status < 400,
    warn: () => {},
  });
  const fields = new Map<string, unknown>();
  const response = {
    headersSent: false,
    getHeader: () => undefined,
    setHeader: (name: string, value: unknown) => fields.set(name, value),
    removeHeader: () => {},
    writeHead: (_status: number) => {},
  };
  for (let count = 1; count <= 5; count++) {
    const request = { headers: {} };
    const state = RequestState.of(request);
    await limiter.check(state, request, new NodeHead(request, "/"), [
      { limits: limiter.limits, scope: "*" },
    ]);
    finishNode(state, request, response);
    response.writeHead(count === 5 ? 500 : 200);
    const remaining = 100_000 - Math.min(count, 4);
    expect(fields.get("ratelimit")).toBe(`"100000/minute";r=${remaining};t=60`);
  }
});

test("the response to an error has none of the headers of the one that failed", async () => {
  const headers = await headersOf(async (request, response) => {
    response.setHeader("X-Kept", "before");
    await limitRequest(request, request, response);
    const given = { "Content-Length": "3", "x-kept": "given", "Set-Cookie": "a=b" };
    expect(() => response.writeHead(0, given)).toThrow("Invalid status code");
    response.writeHead(500).end("longer");
  });
  expect(headers.get("content-length")).toBeNull();
  expect(headers.get("set-cookie")).toBeNull();
  expect(headers.get("x-kept")).toBe("before");
  expect(headers.get("ratelimit")).toBe('"5/minute";r=4;t=60');
});

test("an error after the head is written is that of the function that wrote it", async () => {
  const headers = await headersOf(async (request, response) => {
    const { writeHead } = response;
    response.writeHead = function (this: ServerResponse, ...args: [number]) {
      writeHead.apply(this, args);
      throw new Error("written");
    } as typeof writeHead;
    await limitRequest(request, request, response);
    expect(() => response.writeHead(200, { "X-One": "1" })).toThrow("written");
    response.end();
  });
  expect(headers.get("x-one")).toBe("1");
});

test.each<[string, unknown[]]>([
  ["a list", [["X-One", "1", "Set-Cookie", "a=1", "RateLimit", '"up";r=1', "set-cookie", "b=2"]]],
  [
    "pairs",
    [
      [
        ["X-One", "1"],
        ["Set-Cookie", ["a=1", "b=2"]],
        ["RateLimit", '"up";r=1'],
      ],
    ],
  ],
  ["an object", [{ "X-One": "1", "Set-Cookie": ["a=1", "b=2"], RateLimit: '"up";r=1', "": "x" }]],
  ["a reason and an object", ["Fine", { "X-One": "1", RateLimit: '"up";r=1' }]],
  ["an object and nothing more", [{ "X-One": "1", RateLimit: '"up";r=1' }, undefined]],
])("headers are given to writeHead as %s", async (_, args) => {
  const seen: unknown[] = [];
  const limiter = new HttpLimiter<object>({
    limiter: frozenLimiter(),
    limit: "5/minute",
    countIf: ({ header }) => seen.push(header("x-one")) > 0,
  });
  const headers = await headersOf(async (request, response) => {
    const state = RequestState.of(request);
    await limiter.check(state, request, new NodeHead(request, "/"), [
      { limits: limiter.limits, scope: "*" },
    ]);
    finishNode(state, request, response);
    response.writeHead(200, ...(args as []));
    response.end();
  });
  expect(seen).toEqual(["1"]);
  expect(headers.get("ratelimit")).toBe('"up";r=1, "5/minute";r=4;t=60');
  if (headers.has("set-cookie")) {
    expect(headers.getSetCookie()).toEqual(["a=1", "b=2"]);
  }
});

test("a list of headers without the last value is rejected by Node", async () => {
  const headers = await headersOf(async (request, response) => {
    await limitRequest(request, request, response);
    expect(() => response.writeHead(200, ["X-One"])).toThrow("invalid");
    response.end();
  });
  expect(headers.get("ratelimit")).toBe('"5/minute";r=4;t=60');
});

test("a request may lack a method and a socket", () => {
  const head = new NodeHead({ headers: { "x-many": ["a", "b"] } }, "/path?query");
  const { method, path, peer } = head;
  expect([method, path, peer, head.header("x-many"), head.header("x-none")]).toEqual([
    "GET",
    "/path",
    undefined,
    "a, b",
    undefined,
  ]);
});

/** The keys of a request whose client is gone before the check, at a server that trusts peers on Unix sockets. */
async function keysOfLostClient(leave: "destroy" | "resetAndDestroy"): Promise<string[]> {
  const limiter = new HttpLimiter<IncomingMessage>({
    limiter: frozenLimiter(),
    limit: "5/minute",
    trustedProxies: ["unix"],
    warn: () => {},
  });
  const arrived = new EventEmitter<{ checked: [string[]] }>();
  const server = await serve(async (request) => {
    client[leave]();
    // A reset is an error, too.
    await new Promise((resolve) => request.socket.once("close", resolve));
    const state = RequestState.of(request);
    await limiter.check(state, request, new NodeHead(request, "/"), [
      { limits: limiter.limits, scope: "*" },
    ]);
    arrived.emit("checked", state.keys);
  });
  const client = connect(Number(new URL(server.url).port), "127.0.0.1");
  client.write("GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n");
  try {
    const [keys] = await once(arrived, "checked");
    return keys;
  } finally {
    await server[Symbol.asyncDispose]();
  }
}

test("a client that is gone is not a peer on a Unix socket", async () => {
  for (const leave of ["destroy", "resetAndDestroy"] as const) {
    expect(await keysOfLostClient(leave)).toEqual(["ratelog:{ip:unknown}:*"]);
  }
});

test("a connection that the client has reset, which Node has not noticed, has no Unix socket", () => {
  expect(peerOf({ localAddress: "127.0.0.1", destroyed: false })).toBe("unknown");
});

test("a peer on a Unix socket has no address", async () => {
  const path = join(tmpdir(), `ratelog-${process.pid}.sock`);
  const server = createServer((request, response) => {
    response.end(JSON.stringify([peerOf(request.socket) ?? null]));
  });
  await once(server.listen(path), "listening");
  try {
    const client = connect(path);
    client.end("GET / HTTP/1.0\r\n\r\n");
    let text = "";
    for await (const chunk of client) {
      text += chunk;
    }
    expect(text).toMatch(/\[null\]$/);
  } finally {
    server.close();
  }
});
