import { expect, test } from "vitest";
import { Rules } from "../../src/index.ts";
import { DenyCache } from "../../src/limiter/deny-cache.ts";
import type { LimiterDecision } from "../../src/limiter/limiter-decision.ts";
import { CheckOp } from "../../src/limiter/operation.ts";

const RULES = Rules.parse("9/minute");
const DENIED: LimiterDecision = {
  allowed: false,
  limit: 9,
  remaining: 0,
  retryAfterMs: 5000,
  resetAfterMs: 60_000,
  windowMs: 60_000,
  source: "module",
};

const check = (key: string) => new CheckOp(key, RULES, 1, true);

function insert(cache: DenyCache, key: string, now = 0, decision = DENIED): void {
  cache.insert(check(key), decision, cache.version(key, now), now);
}

test("a denial is valid from when the key's version was read, and reports the wait that is left", () => {
  const cache = new DenyCache(10);
  const version = cache.version("a", 0);
  cache.insert(check("a"), DENIED, version, 100);
  expect(cache.get(check("a"), 4100)).toEqual({
    ...DENIED,
    retryAfterMs: 1000,
    resetAfterMs: 56_000,
    source: "deny-cache",
  });
  expect(cache.get(check("a"), 4999)).toMatchObject({ retryAfterMs: 101 });
  expect(cache.get(check("a"), 5000)).toBeUndefined();
});

test("a denial that was on its way when the key changed is not cached", () => {
  const cache = new DenyCache(10);
  const version = cache.version("a", 0);
  cache.invalidate("a");
  cache.insert(check("a"), DENIED, version, 1);
  expect(cache.get(check("a"), 2)).toBeUndefined();
  const other = cache.version("b", 0);
  cache.clear();
  cache.insert(check("b"), DENIED, other, 1);
  expect(cache.get(check("b"), 2)).toBeUndefined();
});

test("the keys that were read least recently are evicted", () => {
  const cache = new DenyCache(2);
  insert(cache, "a");
  insert(cache, "b");
  cache.get(check("a"), 1);
  insert(cache, "c");
  const cached = ["a", "b", "c"].map((key) => cache.get(check(key), 2) !== undefined);
  expect(cached).toEqual([true, false, true]);
  insert(cache, "c");
  expect(cache.get(check("a"), 2)).toBeDefined();
});

test("only denials by the server that end are cached", () => {
  const cache = new DenyCache(10);
  for (const decision of [
    { ...DENIED, allowed: true },
    { ...DENIED, retryAfterMs: null },
    { ...DENIED, source: "local" as const },
    { ...DENIED, source: "fallback" as const },
  ]) {
    insert(cache, "a", 0, decision);
    expect(cache.get(check("a"), 1)).toBeUndefined();
  }
  insert(cache, "a", 0, { ...DENIED, source: "script" });
  expect(cache.get(check("a"), 1)).toBeDefined();
});
