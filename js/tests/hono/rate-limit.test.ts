import { createRequire } from "node:module";
import { type ErrorHandler, Hono } from "hono";
import { cors } from "hono/cors";
import { HTTPException } from "hono/http-exception";
import { requestId } from "hono/request-id";
import { expect, test, vi } from "vitest";
import { checksOf, type HonoOptions, rateLimit } from "../../src/hono/index.ts";
import { frozenLimiter } from "../support/frozen-limiter.ts";

const limited = (options: Partial<HonoOptions> = {}) =>
  rateLimit({
    limiter: frozenLimiter(),
    limit: "2/minute",
    address: () => "192.0.2.7",
    ...options,
  });

test("the scope is the method and the pattern of the route, or the path of the middleware", async () => {
  const app = new Hono();
  app.use("*", limited({ limit: "9/minute" }));
  app.use("/api/*", limited({ limit: "9/minute" }));
  app.use("/exact/:id", limited());
  app.get("/exact/7", (c) => c.json(checksOf(c)?.keys));
  const api = new Hono().get("/users/:id", limited(), (c) => c.json(checksOf(c)?.keys));
  api.all("/any", limited(), (c) => c.json(checksOf(c)?.keys));
  app.route("/api", api);
  const keysOf = async (path: string) => await (await app.request(path)).json();
  const common = ["ratelog:{ip:192.0.2.7}:*", "ratelog:{ip:192.0.2.7}:/api/*"];
  expect(await keysOf("/api/users/7")).toEqual([
    ...common,
    "ratelog:{ip:192.0.2.7}:GET /api/users/:id",
  ]);
  expect(await keysOf("/exact/7")).toEqual([
    "ratelog:{ip:192.0.2.7}:*",
    "ratelog:{ip:192.0.2.7}:* /exact/:id",
  ]);
  expect(await keysOf("/api/any")).toEqual([...common, "ratelog:{ip:192.0.2.7}:* /api/any"]);
  expect((await app.request("/api/users/%38", { method: "HEAD" })).status).toBe(200);
  expect((await app.request("/api/users/9")).status).toBe(429);
});

test("an application may use another copy of Hono, such as the one for require", async () => {
  const copy: typeof import("hono") = createRequire(import.meta.url)("hono");
  expect(copy.Hono).not.toBe(Hono);
  const app = new copy.Hono().get("/users/:id", limited(), (c) => c.json(checksOf(c)?.keys));
  expect(await (await app.request("/users/7")).json()).toEqual([
    "ratelog:{ip:192.0.2.7}:GET /users/:id",
  ]);
});

test("paths that are not found can be limited", async () => {
  const app = new Hono();
  const limit = limited({ limit: "1/minute" });
  app.notFound(async (c) => (await limit(c, async () => {})) ?? c.text("missing", 404));
  expect((await app.request("/a")).status).toBe(404);
  expect((await app.request("/b")).status).toBe(429);
});

test("clients without an address share a limit, which is logged", async () => {
  for (const address of [
    undefined,
    () => undefined,
    () => {
      throw new Error("not on this platform");
    },
  ]) {
    const warn = vi.fn();
    const app = new Hono();
    const options = { limiter: frozenLimiter(), limit: "1/minute", warn };
    app.use(rateLimit(address ? { ...options, address } : options));
    app.get("/", (c) => c.json(checksOf(c)?.keys));
    expect(await (await app.request("/")).json()).toEqual(["ratelog:{ip:unknown}:*"]);
    expect((await app.request("/")).status).toBe(429);
    expect(warn).toHaveBeenCalledOnce();
  }
});

test("the address is that of a server's bindings", async () => {
  const app = new Hono();
  app.use(rateLimit({ limiter: frozenLimiter(), limit: "1/minute" }));
  app.get("/", (c) => c.json(checksOf(c)?.keys));
  const incoming = { socket: { remoteAddress: "192.0.2.9" } };
  for (const bindings of [{ incoming }, { server: { incoming } }]) {
    const response = await app.request("/", {}, bindings);
    expect(response.status).toBe("incoming" in bindings ? 200 : 429);
  }
});

test("only a peer on a Unix socket is trusted as one", async () => {
  const lost = { incoming: { socket: { destroyed: true } } };
  const unix = { incoming: { socket: { destroyed: false } } };
  const fails = () => {
    throw new Error("not on this platform");
  };
  for (const [bindings, address, client] of [
    [unix, undefined, "203.0.113.9"],
    [unix, () => undefined, "203.0.113.9"],
    [undefined, () => undefined, "203.0.113.9"],
    [lost, undefined, "unknown"],
    [lost, () => undefined, "unknown"],
    [unix, fails, "unknown"],
  ] as const) {
    const app = new Hono();
    const options = { limiter: frozenLimiter(), limit: "1/minute", warn: () => {} };
    app.use(rateLimit({ ...options, trustedProxies: ["unix"], ...(address && { address }) }));
    app.get("/", (c) => c.json(checksOf(c)?.keys));
    const headers = { "X-Forwarded-For": "203.0.113.9" };
    const response = await app.request("/", { headers }, bindings);
    expect(await response.json()).toEqual([`ratelog:{ip:${client}}:*`]);
  }
});

test("responses that cannot be changed get the headers, except a switch of protocols", async () => {
  const app = new Hono();
  app.use(limited({ limit: "9/minute" }));
  app.get("/redirect", () => Response.redirect("http://127.0.0.1/x"));
  app.get("/switch", (c) => {
    c.res = Object.defineProperty(new Response(null), "status", { value: 101 });
    return c.res;
  });
  const response = await app.request("/redirect");
  expect([response.status, response.headers.get("ratelimit")]).toEqual([
    302,
    '"9/minute";r=8;t=60',
  ]);
  expect((await app.request("/switch")).headers.get("ratelimit")).toBeNull();
});

test("the headers of a response from elsewhere are merged with those of the limits", async () => {
  const app = new Hono();
  app.use(limited({ limit: "9/minute" }));
  const upstream = Response.redirect("http://127.0.0.1/x");
  const headers = { RateLimit: '"other";r=1;t=1', "Access-Control-Expose-Headers": "ETag" };
  // Its headers cannot be set, as those of `fetch`.
  const fixed = new Headers(headers);
  fixed.set = () => {
    throw new TypeError("immutable");
  };
  app.get("/", () => Object.defineProperty(upstream, "headers", { value: fixed }));
  const response = await app.request("/", { headers: { Origin: "https://www.example.com" } });
  expect(response.headers.get("ratelimit")).toBe('"other";r=1;t=1, "9/minute";r=8;t=60');
  expect(response.headers.get("access-control-expose-headers")).toBe(
    "ETag, RateLimit-Policy, RateLimit",
  );
});

test("the functions of the options have the types of the application", async () => {
  type Variables = { user: { id: number; pages: number } };
  const app = new Hono<{ Variables: Variables }>();
  app.use(async (c, next) => {
    c.set("user", { id: 42, pages: 2 });
    await next();
  });
  const common = { limiter: frozenLimiter(), limit: "3/minute" };
  app.use(rateLimit({ ...common, key: (c) => c.var.user.id, scope: "all" }));
  const typed = rateLimit<{ Variables: Variables }>({
    ...common,
    key: (c) => c.var.user.id,
    cost: (c) => c.get("user").pages,
  });
  app.get("/", typed, (c) => c.json(checksOf(c)?.keys));
  expect(await (await app.request("/")).json()).toEqual(["ratelog:{42}:all", "ratelog:{42}:GET /"]);
  expect((await app.request("/")).status).toBe(429);
});

test("a denial has the headers of the CORS middleware", async () => {
  const app = new Hono();
  app.use(cors({ origin: "https://www.example.com", exposeHeaders: ["ETag"] }));
  app.use(limited({ limit: "0/minute" }));
  const headers = { Origin: "https://www.example.com" };
  const denied = await app.request("/", { headers });
  expect(denied.status).toBe(429);
  expect(denied.headers.get("access-control-allow-origin")).toBe("https://www.example.com");
  expect(denied.headers.get("access-control-expose-headers")).toBe(
    "ETag, RateLimit-Policy, RateLimit",
  );
});

test("a denial has the headers that other middleware has set before", async () => {
  const app = new Hono();
  app.use(requestId({ generator: () => "r-1" }));
  app.use(limited({ limit: "0/minute" }));
  const denied = await app.request("/");
  expect([denied.status, denied.headers.get("x-request-id")]).toEqual([429, "r-1"]);
  expect(denied.headers.get("content-type")).toBe("application/problem+json");
});

test("the function for denials sets the status, or it is 429", async () => {
  for (const [status, expected] of [
    [200, 429],
    [403, 403],
  ] as const) {
    const app = new Hono();
    app.use(limited({ limit: "0/minute", onDenied: (c) => c.json({ own: true }, status) }));
    const response = await app.request("/");
    expect([response.status, await response.json()]).toEqual([expected, { own: true }]);
  }
});

test("the function for denials may throw, and the response to the error has the headers", async () => {
  const onDenied = () => {
    throw new HTTPException(429, { message: "no more" });
  };
  const handlers: (ErrorHandler | undefined)[] = [
    undefined,
    (_, c) => c.text("no more", 429),
    (error) => (error as HTTPException).getResponse(),
  ];
  for (const handler of handlers) {
    const app = new Hono();
    if (handler) {
      app.onError(handler);
    }
    app.use(limited({ limit: "1/minute", onDenied }));
    app.get("/", (c) => c.text("fine"));
    await app.request("/");
    const response = await app.request("/", { headers: { Origin: "https://www.example.com" } });
    expect([response.status, await response.text()]).toEqual([429, "no more"]);
    expect(response.headers.get("ratelimit")).toBe('"1/minute";r=0;t=60');
    expect(response.headers.get("retry-after")).toBe("60");
    expect(response.headers.get("access-control-expose-headers")).toMatch(/, Retry-After$/);
  }
});
