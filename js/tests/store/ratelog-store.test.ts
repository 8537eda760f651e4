import express from "express";
import { rateLimit } from "express-rate-limit";
import { Hono } from "hono";
import { rateLimiter } from "hono-rate-limiter";
import { afterEach, expect, test, vi } from "vitest";
import { type Limiter, LocalLimiter, type RuleSource, Rules } from "../../src/index.ts";
import { RatelogStore, type RatelogStoreOptions } from "../../src/store/index.ts";
import { listener } from "../support/express.ts";
import { serve } from "../support/http-server.ts";

afterEach(() => {
  vi.useRealTimers();
});

const MINUTE = 60_000;
/** Options of express-rate-limit. */
const SKIPS_FAILED = { legacyHeaders: true, skipFailedRequests: true };

function initialized(options: Partial<RatelogStoreOptions> = {}, middleware: object = {}) {
  const store = new RatelogStore({ limiter: new LocalLimiter(), ...options });
  store.init({ windowMs: MINUTE, limit: 2, ...middleware });
  return store;
}

type Options = Exclude<Parameters<typeof rateLimit>[0], undefined>;

/** The statuses of requests to an application with express-rate-limit, which responds with the status in the query. */
async function statuses(options: Partial<Options>, ...queries: string[]): Promise<number[]> {
  const store = new RatelogStore({ limiter: new LocalLimiter() });
  const app = express();
  app.use(rateLimit({ windowMs: MINUTE, limit: 2, store, ...options }));
  app.get("/", (request, response) => {
    response.status(Number(request.query.status ?? 200)).send("");
  });
  const server = await serve(listener(app));
  const found: number[] = [];
  try {
    for (const query of queries) {
      found.push((await fetch(server.url + query)).status);
      // The middleware takes a hit back after the response.
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    await server[Symbol.asyncDispose]();
  }
  return found;
}

test("express-rate-limit denies exactly the hits over its limit", async () => {
  expect(await statuses({}, "", "", "", "")).toEqual([200, 200, 429, 429]);
});

test("express-rate-limit takes back failed requests, and denied ones free nothing", async () => {
  const failed = "?status=500";
  expect(
    await statuses({ skipFailedRequests: true }, failed, failed, "", failed, "", "", "", ""),
  ).toEqual([500, 500, 200, 500, 200, 429, 429, 429]);
});

test("express-rate-limit takes back successful requests", async () => {
  const failed = "?status=401";
  const skip = { skipSuccessfulRequests: true };
  expect(await statuses(skip, "", "", "", failed, "", failed, "", failed)).toEqual([
    200, 200, 200, 401, 200, 401, 429, 429,
  ]);
});

/** The statuses of requests to an application with hono-rate-limiter, which responds with these. */
async function honoStatuses(options: object, ...responses: number[]): Promise<number[]> {
  const app = new Hono();
  const store = new RatelogStore({ limiter: new LocalLimiter() });
  app.use(
    rateLimiter({ windowMs: MINUTE, limit: 2, keyGenerator: () => "all", store, ...options }),
  );
  app.get("/:status", (c) => c.text("", Number(c.req.param("status")) as 200));
  const found: number[] = [];
  for (const status of responses) {
    found.push((await app.request(`/${status}`)).status);
  }
  return found;
}

test("hono-rate-limiter denies exactly the hits over its limit, and frees none that was counted", async () => {
  expect(await honoStatuses({}, 200, 200, 200, 200)).toEqual([200, 200, 429, 429]);
  const failed = { skipFailedRequests: true };
  expect(await honoStatuses(failed, 500, 500, 200, 500, 200, 500, 500, 500)).toEqual([
    500, 500, 200, 500, 200, 429, 429, 429,
  ]);
  const successful = { skipSuccessfulRequests: true };
  expect(await honoStatuses(successful, 200, 200, 200, 401, 200, 401, 200, 401, 401)).toEqual([
    200, 200, 200, 401, 200, 401, 429, 429, 429,
  ]);
});

test.each([
  ["the status of a denied request", { statusCode: 200, legacyHeaders: true }, false, true],
  ["an error", { legacyHeaders: true, requestWasSuccessful: () => JSON.parse("{") }, true, false],
  ["a promise", { requestWasSuccessful: async () => false }, false, true],
  ["its own rule", { requestWasSuccessful: () => false }, true, false],
  ["its own error", { requestWasSuccessful: () => JSON.parse("{") }, false, true],
])("a middleware may judge denied requests by %s", async (_, options, failed, successful) => {
  const judge = {
    requestWasSuccessful: (_: object, response: { statusCode: number }) =>
      response.statusCode < 400,
  };
  for (const [skip, isTakenBack] of [
    ["skipFailedRequests", failed],
    ["skipSuccessfulRequests", successful],
  ] as const) {
    const given = "statusCode" in options ? { ...judge, ...options } : options;
    const store = initialized({}, { ...given, [skip]: true });
    for (let n = 0; n < 3; n++) {
      await store.increment("a");
    }
    await store.decrement("a");
    expect((await store.get("a"))?.totalHits, skip).toBe(isTakenBack ? 2 : 1);
  }
});

test.each([
  ["lower", 1],
  ["higher", 5],
])("a decision by a %s limit is the middleware's as well", async (_, limit) => {
  // An override of the server decides, or the share of one process.
  const local = new LocalLimiter();
  const own = Rules.of({ limit, windowMs: MINUTE });
  const limiter: Limiter = {
    check: (key) => local.check(key, own),
    checkAll: () => [],
    refund: (key) => local.refund(key),
    peek: (key) => local.peek(key, own),
  };
  const store = initialized({ limiter });
  for (let n = 1; n <= limit; n++) {
    expect((await store.increment("a")).totalHits).toBeLessThanOrEqual(2);
    expect((await store.get("a"))?.totalHits).toBeLessThanOrEqual(2);
  }
  expect((await store.increment("a")).totalHits).toBeGreaterThan(2);
});

test("hits are those in the window, and one more than the limit if denied", async () => {
  vi.useFakeTimers({ now: 1_700_000_000_000 });
  const store = initialized();
  const hit = async () => {
    const { totalHits, resetTime } = await store.increment("a");
    return [totalHits, resetTime.getTime() - Date.now()];
  };
  expect(await hit()).toEqual([1, MINUTE]);
  vi.advanceTimersByTime(1000);
  expect(await hit()).toEqual([2, MINUTE]);
  expect(await hit()).toEqual([3, MINUTE - 1000]);
  const resetTime = new Date(Date.now() + MINUTE - 1000);
  expect(await store.get("a")).toEqual({ totalHits: 2, resetTime });
  // The window slides: the first hit leaves it.
  vi.advanceTimersByTime(MINUTE - 1000);
  expect(await hit()).toEqual([2, MINUTE]);
  await store.decrement("a");
  expect((await store.get("a"))?.totalHits).toBe(1);
  await store.resetKey("a");
  expect(await store.get("a")).toBeUndefined();
});

test("a denied hit frees nothing, but only for as long as its window", async () => {
  vi.useFakeTimers();
  const store = initialized({}, SKIPS_FAILED);
  for (let n = 0; n < 4; n++) {
    await store.increment("a");
  }
  await store.decrement("a");
  await store.decrement("a");
  expect((await store.get("a"))?.totalHits).toBe(2);
  await store.decrement("a");
  expect((await store.get("a"))?.totalHits).toBe(1);
  await store.increment("a");
  await store.increment("a");
  vi.advanceTimersByTime(MINUTE);
  await store.increment("a");
  await store.decrement("a");
  expect(await store.get("a")).toBeUndefined();
});

test("a hit that an override or a fixed fallback allows takes no other hit back", async () => {
  vi.useFakeTimers();
  const local = new LocalLimiter();
  let isOverridden = false;
  const limiter: Limiter = {
    check: (key, rules) => (isOverridden ? local.peek(key, rules) : local.check(key, rules)),
    checkAll: () => [],
    refund: (key) => local.refund(key),
    peek: (key, rules) => local.peek(key, rules),
  };
  const store = initialized({ limiter }, SKIPS_FAILED);
  const hitsOf = async () => (await store.get("a"))?.totalHits ?? 0;
  await store.increment("a");
  vi.advanceTimersByTime(1);
  isOverridden = true;
  await store.increment("a");
  await store.decrement("a");
  expect(await hitsOf()).toBe(1);
  isOverridden = false;
  await store.increment("a");
  expect(await hitsOf()).toBe(2);
  await store.decrement("a");
  expect(await hitsOf()).toBe(1);
});

test("a hit is taken back where it was counted", async () => {
  const local = new LocalLimiter();
  const refund = vi.fn(() => 1);
  const check = (key: string, rules: RuleSource) => ({
    ...local.check(key, rules),
    source: "module" as const,
  });
  const limiter = { check, checkAll: () => [], refund };
  for (const options of [SKIPS_FAILED, {}]) {
    const store = initialized({ limiter }, options);
    await store.increment("a");
    await store.decrement("a");
  }
  expect(refund.mock.calls).toEqual([
    ["ratelog:a", { source: "module" }],
    ["ratelog:a", undefined],
  ]);
});

test("a hit stays if the limiter cannot take it back", async () => {
  const local = new LocalLimiter();
  const limiter: Limiter = {
    check: (key, rules) => local.check(key, rules),
    checkAll: () => [],
    refund: () => Promise.reject(new Error("the server is unavailable")),
    peek: (key, rules) => local.peek(key, rules),
  };
  const store = initialized({ limiter }, SKIPS_FAILED);
  await store.increment("a");
  await store.decrement("a");
  expect((await store.get("a"))?.totalHits).toBe(1);
});

test("the memory for denied hits is bounded", async () => {
  const store = initialized({}, { limit: 0, ...SKIPS_FAILED });
  for (let n = 0; n <= 100_000; n++) {
    await store.increment(`key ${n}`);
  }
  expect((await store.increment("a")).totalHits).toBe(1);
});

test("a limit that is a function needs the store's own limit", async () => {
  const store = new RatelogStore({ limiter: new LocalLimiter() });
  const message = "a store cannot call the function limit of the middleware";
  expect(() => store.init({ windowMs: MINUTE, limit: () => 5 })).toThrow(message);
  await expect(store.increment("a")).rejects.toThrow("did not initialize the store");
  expect(() => store.init({ windowMs: 0, limit: 5 })).toThrow(RangeError);
  store.init({ windowMs: MINUTE, max: 5 });
  expect((await store.increment("a")).totalHits).toBe(1);

  const limit: Options["limit"] = (request) => (request.query.plan === "pro" ? 3 : 1);
  const own = new RatelogStore({ limiter: new LocalLimiter(), limit: 3 });
  const pro = "?plan=pro";
  expect(await statuses({ limit, store: own }, "", "", pro, pro, "")).toEqual([
    200, 429, 200, 429, 429,
  ]);
});

test("a store has a prefix, and a limiter that can neither peek nor reset is enough", async () => {
  const limiter = new LocalLimiter();
  const minimal: Limiter = {
    check: (...args) => limiter.check(...args),
    checkAll: (...args) => limiter.checkAll(...args),
    refund: (...args) => limiter.refund(...args),
  };
  const store = initialized({ limiter: minimal, prefix: "login:" });
  expect([store.prefix, store.localKeys]).toEqual(["login:", false]);
  await store.increment("a");
  expect(limiter.peek("login:a", "2/minute").remaining).toBe(1);
  expect(await store.get("a")).toBeUndefined();
  await store.resetKey("a");
  expect(limiter.size).toBe(0);
  // A limit of 0 records nothing, and a refund of 0 is an error.
  await initialized({ limiter: minimal }, { limit: 0 }).resetKey("a");
});

test("a reset takes back all hits, also those that only an override allows", async () => {
  const limiter = new LocalLimiter();
  const store = initialized({ limiter });
  for (let hit = 0; hit < 50; hit++) {
    limiter.check("ratelog:a", "99/minute");
  }
  await store.resetKey("a");
  expect(limiter.size).toBe(0);
});

test("the denied hits of the clients that were denied last are remembered", async () => {
  const store = initialized({}, { ...SKIPS_FAILED, limit: 1 });
  for (const client of ["first", "second"]) {
    await store.increment(client);
    await store.increment(client);
  }
  for (let client = 0; client < 100_000 - 1; client++) {
    await store.increment(`${client}`);
    await store.increment(`${client}`);
  }
  // It would free the hit that was counted.
  await store.decrement("second");
  expect((await store.get("second"))?.totalHits).toBe(1);
  await store.decrement("first");
  expect(await store.get("first")).toBeUndefined();
});

test("a limit of zero never allows a hit", async () => {
  const store = initialized({}, { limit: 0 });
  const { totalHits, resetTime } = await store.increment("a");
  expect(totalHits).toBe(1);
  expect(resetTime.getTime()).toBeGreaterThan(Date.now());
  await store.resetKey("a");
});
