import fc from "fast-check";
import { expect, test } from "vitest";
import { LocalLimiter, Rules } from "../src/index.ts";
import { NaiveLog } from "./support/naive-log.ts";

const START = 1_700_000_000_000;

test("a check of several keys records on all of them or on none", () => {
  const limiter = new LocalLimiter({ now: () => START });
  const checks = [
    { key: "a", rules: "3/minute" },
    { key: "b", rules: "2/minute" },
  ];
  const allowed = () => limiter.checkAll(checks).map((decision) => decision.allowed);
  expect([allowed(), allowed(), allowed(), allowed()]).toEqual([
    [true, true],
    [true, true],
    [true, false],
    [true, false],
  ]);
  expect(limiter.peek("a", "3/minute").remaining).toBe(1);
});

test("a key that is given twice uses twice the units", () => {
  const limiter = new LocalLimiter({ now: () => START });
  const twice = ["user:11", "user:11"].map((key) => ({ key, rules: "5/minute" }));
  const remaining = () => limiter.checkAll(twice, { cost: 2 }).map((one) => one.remaining);
  expect(remaining()).toEqual([3, 1]);
  expect(remaining()).toEqual([1, 1]);
  expect(limiter.refund("user:11", { cost: 9 })).toBe(4);
});

test("a mistake in one check records nothing on the others", () => {
  const limiter = new LocalLimiter({ now: () => START, policies: { gold: "9/minute" } });
  const gold = { key: "a", rules: { policy: "gold" } };
  expect(() => limiter.checkAll([gold, { key: "b", rules: { policy: "tin" } }])).toThrow(
    new RangeError("no policy named 'tin'"),
  );
  expect(() => limiter.checkAll([gold, { key: "b", rules: "many" }])).toThrow("expected a limit");
  expect(() => limiter.checkAll([gold], { cost: 0 })).toThrow(RangeError);
  expect([limiter.size, limiter.checkAll([])]).toEqual([0, []]);
  expect(() => new LocalLimiter({ policies: { gold: "many" } })).toThrow("expected a limit");
});

test("the memory is bounded for checks of several keys, too", () => {
  const limiter = new LocalLimiter({ maxBytes: 10_000 });
  for (let n = 0; n < 500; n++) {
    limiter.checkAll([`a ${n}`, `b ${n}`].map((key) => ({ key, rules: "1/hour" })));
    expect(limiter.bytes).toBeLessThanOrEqual(10_000);
  }
  expect(limiter.evicted).toBeGreaterThan(0);
});

test("its decisions are those of one log for each key", () => {
  const rule = fc.record({
    limit: fc.integer({ min: 0, max: 6 }),
    windowMs: fc.integer({ min: 1, max: 20 }),
  });
  const check = fc.record({
    key: fc.constantFrom("a", "b", "c"),
    rules: fc.array(rule, { minLength: 1, maxLength: 2 }),
  });
  const step = fc.record({
    // A clock that steps back shows whether a key with expired units was removed: that is for the tests of a log.
    advance: fc.integer({ min: 0, max: 9 }),
    cost: fc.integer({ min: 1, max: 3 }),
    checks: fc.array(check, { minLength: 1, maxLength: 4 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      let now = START;
      const limiter = new LocalLimiter({ now: () => now });
      const logs = new Map(["a", "b", "c"].map((key) => [key, new NaiveLog()]));
      for (const { advance, cost, checks } of steps) {
        now += advance;
        const pending = new Map<string, number>();
        const evaluated = checks.map(({ key, rules }) => {
          const before = pending.get(key) ?? 0;
          const decision = logs.get(key)?.decide(now, rules, before + cost, false);
          pending.set(key, before + (decision?.allowed ? cost : 0));
          return decision;
        });
        const expected = evaluated.every((decision) => decision?.allowed)
          ? checks.map(({ key, rules }) => logs.get(key)?.decide(now, rules, cost, true))
          : evaluated;
        const given = checks.map(({ key, rules }) => ({ key, rules: Rules.of(...rules) }));
        expect(limiter.checkAll(given, { cost })).toEqual(expected);
      }
    }),
  );
});
