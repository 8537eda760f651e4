import fc from "fast-check";
import { expect, test } from "vitest";
import { check, peek } from "../src/decision.ts";
import { Log } from "../src/log.ts";
import { Rules } from "../src/rules.ts";
import { NaiveLog } from "./support/naive-log.ts";

const START = 1_700_000_000_000;

test("it decides as a list of all units does", () => {
  const rule = fc.record({ limit: fc.nat(12), windowMs: fc.integer({ min: 1, max: 60 }) });
  const step = fc.record({
    // Usually forward, sometimes back.
    passed: fc.oneof(
      { weight: 9, arbitrary: fc.nat(15) },
      { weight: 1, arbitrary: fc.integer({ min: -200, max: 200 }) },
    ),
    operation: fc.constantFrom("check", "check", "check", "check", "peek", "refund"),
    rules: fc.array(rule, { minLength: 1, maxLength: 3 }),
    cost: fc.integer({ min: 1, max: 4 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const [log, naive] = [new Log(), new NaiveLog()];
      let now = START;
      for (const { passed, operation, rules, cost } of steps) {
        now += passed;
        if (operation === "refund") {
          expect(log.refund(now, cost)).toBe(naive.refund(now, cost));
          continue;
        }
        const recorded = operation === "check";
        const actual = (recorded ? check : peek)(log, now, Rules.of(...rules), cost);
        expect(actual).toEqual(naive.decide(now, rules, cost, recorded));
      }
    }),
    { numRuns: 2000 },
  );
});

test("a log grows with its entries, and shrinks with them", () => {
  const log = new Log();
  const small = log.bytes;
  const rules = Rules.parse("100000/minute");
  for (let ms = 0; ms < 60_000; ms++) {
    check(log, START + ms, rules, 1);
  }
  const large = log.bytes;
  expect(large - small).toBeLessThan(60_000 * 16 * 2.3);
  // At most 60 units in the window from here on.
  for (let second = 1; second < 200_000; second++) {
    check(log, START + 60_000 + second * 1000, rules, 1);
  }
  expect(peek(log, START + 60_000 + 199_999_000, rules, 1).remaining).toBe(100_000 - 60);
  expect(log.bytes).toBeLessThan(large / 50);
  check(log, START + 400_000_000, rules, 1);
  expect(log.bytes).toBe(small);
});
