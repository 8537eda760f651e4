import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { decide, type KeyedLimit, takeBackAll } from "../../src/http/checked-limit.ts";
import { mostBindingOf } from "../../src/http/most-binding.ts";
import { NamedRules } from "../../src/http/named-rules.ts";
import { RequestState, type ResponseSettings } from "../../src/http/request-checks.ts";
import { Warnings } from "../../src/http/warnings.ts";
import {
  type Decision,
  type Limiter,
  type LocalLimiter,
  type RuleSource,
  Rules,
} from "../../src/index.ts";
import { frozenLimiter } from "../support/frozen-limiter.ts";
import { fromRow } from "../support/rows.ts";

function keyed(key: string, source: RuleSource, cost = 1): KeyedLimit {
  const rules = typeof source === "string" ? Rules.parse(source) : source;
  const named = "policy" in rules ? NamedRules.ofPolicy(rules) : NamedRules.of(rules);
  return { key, rules, named, cost };
}

/** A limiter that can do no more than its interface, with functions of its own in place of some. */
function minimal(limiter: LocalLimiter, own: Partial<Limiter> = {}): Limiter {
  return {
    check: (...args) => limiter.check(...args),
    checkAll: (...args) => limiter.checkAll(...args),
    refund: (...args) => limiter.refund(...args),
    ...own,
  };
}

function warnings() {
  const warn = vi.fn();
  return { warn, warnings: new Warnings(warn) };
}

test("limits with different costs are all or none", async () => {
  const limiter = frozenLimiter();
  const limits = [
    keyed("big", "10/minute", 5),
    keyed("a", "9/minute"),
    keyed("free", "1/minute", 0),
  ];
  const remaining = async () => {
    const decided = await decide(limiter, limits, warnings().warnings);
    return decided.map(({ key, decision }) => [key, decision?.allowed, decision?.remaining]);
  };
  expect(await remaining()).toEqual([
    ["big", true, 5],
    ["a", true, 8],
    ["free", true, 1],
  ]);
  expect(await remaining()).toEqual([
    ["big", true, 0],
    ["a", true, 7],
    ["free", true, 1],
  ]);
  expect(await remaining()).toEqual([
    ["big", false, 0],
    ["a", true, 7],
    ["free", true, 1],
  ]);
  expect(limiter.peek("a", "9/minute").remaining).toBe(7);
  // The free one denies before the others are decided.
  limiter.check("free", "1/minute");
  expect(await remaining()).toEqual([
    ["big", undefined, undefined],
    ["a", undefined, undefined],
    ["free", false, 0],
  ]);
});

test("a free request is not counted, also by a limiter that cannot peek", async () => {
  const local = frozenLimiter();
  for (const limiter of [local, minimal(local)]) {
    for (const limits of [
      [keyed("a", "2/minute", 0)],
      [keyed("a", "2/minute", 0), keyed("b", "1/minute", 0)],
    ]) {
      for (let n = 0; n < 3; n++) {
        const decided = await decide(limiter, limits, warnings().warnings);
        expect(decided.map(({ decision }) => [decision?.allowed, decision?.remaining])).toEqual(
          limits.map(({ rules }) => [true, (rules as Rules).list[0]?.limit]),
        );
      }
    }
  }
  local.check("a", "1/minute");
  const [denied] = await decide(minimal(local), [keyed("a", "1/minute", 0)], warnings().warnings);
  expect(denied?.decision?.allowed).toBe(false);
});

test("an error takes back the units that were recorded before", async () => {
  const local = frozenLimiter();
  const fail = () => Promise.reject(new Error("broken"));
  const limiter = minimal(local, {
    check: (key, ...rest) => (key === "b" ? fail() : local.check(key, ...rest)),
  });
  const limits = [keyed("a", "2/minute"), keyed("b", "9/minute", 2)];
  await expect(decide(limiter, limits, warnings().warnings)).rejects.toThrow("broken");
  expect(local.size).toBe(0);
});

test("a refund that fails is logged, and is not tried again", async () => {
  const { warn, warnings: log } = warnings();
  const refund = vi.fn(() => Promise.reject(new Error("broken")));
  const limiter = minimal(frozenLimiter(), { refund });
  const decided = await decide(limiter, [keyed("a", "2/minute")], log);
  await takeBackAll(decided, log);
  await takeBackAll(decided, log);
  expect(refund).toHaveBeenCalledOnce();
  expect(warn.mock.calls).toEqual([
    ["ratelog: units were not taken back, and stay for their window", new Error("broken")],
  ]);
});

test("a decision by a fixed fallback has recorded nothing and is not reported", async () => {
  const refund = vi.fn(() => 1);
  const decision = { ...fromRow([1, 2, 1, 0, 60_000, 60_000]), source: "fallback" };
  const limiter = minimal(frozenLimiter(), { refund, check: () => decision as Decision });
  const { warnings: log } = warnings();
  const decided = await decide(limiter, [keyed("a", "2/minute")], log);
  const settings: ResponseSettings = {
    family: "draft-11",
    exposes: true,
    countIf: () => false,
    warnings: log,
  };
  const state = RequestState.of({});
  expect(await state.add(decided, settings)).toBeUndefined();
  const { fields, refunded } = state.finish({ status: 200, header: () => undefined }, true);
  await refunded;
  expect([fields, refund.mock.calls]).toEqual([[], []]);
});

test("a refund names the source of the decision, and is of units that were recorded", async () => {
  const refund = vi.fn(() => 2);
  const takenBack = async (resetAfterMs: number, source: string) => {
    const decision = { ...fromRow([1, 9, 1, 0, resetAfterMs, 60_000]), source } as Decision;
    const limiter = minimal(frozenLimiter(), { refund, check: () => decision });
    const { warnings: log } = warnings();
    await takeBackAll(await decide(limiter, [keyed("a", "9/minute", 2)], log), log);
    return refund.mock.calls.splice(0);
  };
  expect(await takenBack(60_000, "module")).toEqual([["a", { cost: 2, source: "module" }]]);
  expect(await takenBack(60_000, "local")).toEqual([["a", { cost: 2, source: "local" }]]);
  // An override or a shadow policy allowed the check: the newest unit is another request's.
  expect(await takenBack(59_999, "module")).toEqual([]);
});

test("units that have left all windows are not taken back: the newest are those of others", async () => {
  vi.useFakeTimers();
  const takenBackAfter = async (waitMs: number, rules: RuleSource, windowMs = 1000) => {
    const refund = vi.fn(() => 1);
    const decision = fromRow([1, 9, 1, 0, windowMs, windowMs]);
    const limiter = minimal(frozenLimiter(), { refund, check: () => decision });
    const { warnings: log } = warnings();
    const decided = await decide(limiter, [keyed("a", rules)], log);
    await vi.advanceTimersByTimeAsync(waitMs);
    await takeBackAll(decided, log);
    return [refund.mock.calls.length, decided[0]?.decision?.remaining];
  };
  try {
    expect(await takenBackAfter(999, "9/second")).toEqual([1, 2]);
    expect(await takenBackAfter(1000, "9/second")).toEqual([0, 1]);
    // A longer window, of the rules or of an override, has them still.
    expect(await takenBackAfter(59_999, "9/second; 99/minute")).toEqual([1, 2]);
    expect(await takenBackAfter(1000, "9/second", 2000)).toEqual([1, 2]);
    // So may have those of a policy, which are not known here.
    expect(await takenBackAfter(60_000, { policy: "gold" })).toEqual([1, 2]);
  } finally {
    vi.useRealTimers();
  }
});

test("a log remembers a bounded number of warnings", () => {
  const { warn, warnings: log } = warnings();
  for (let n = 0; n <= 100; n++) {
    log.warn(`warning ${n}`);
  }
  log.warn("warning 100");
  expect(warn).toHaveBeenCalledTimes(101);
  log.warn("warning 0");
  expect(warn).toHaveBeenCalledTimes(102);
});

test("a request that is denied uses no units, and one that is allowed uses all", async () => {
  const limit = fc.record({
    key: fc.constantFrom("a", "b", "c", "d"),
    limit: fc.integer({ min: 0, max: 8 }),
    cost: fc.integer({ min: 0, max: 3 }),
  });
  const request = fc.uniqueArray(limit, { minLength: 1, maxLength: 4, selector: ({ key }) => key });
  await fc.assert(
    fc.asyncProperty(
      fc.array(request, { maxLength: 12 }),
      fc.boolean(),
      async (requests, peeks) => {
        const local = frozenLimiter();
        const limiter = peeks ? local : minimal(local);
        const used = new Map<string, number>();
        for (const limits of requests) {
          const given = limits.map(({ key, limit, cost }) => keyed(key, `${limit}/hour`, cost));
          const decided = await decide(limiter, given, warnings().warnings);
          const isAllowed = limits.every(
            ({ key, limit, cost }) => (used.get(key) ?? 0) + Math.max(1, cost) <= limit,
          );
          expect(decided.every(({ decision }) => decision?.allowed)).toBe(isAllowed);
          for (const { key, cost } of isAllowed ? limits : []) {
            used.set(key, (used.get(key) ?? 0) + cost);
          }
          for (const [key, units] of used) {
            expect(local.peek(key, "99/hour").remaining).toBe(99 - units);
          }
          for (const { key, decision } of decided) {
            if (decision) {
              const remaining = Math.max(0, decision.limit - (used.get(key) ?? 0));
              expect([key, decision.remaining]).toEqual([key, remaining]);
            }
          }
        }
      },
    ),
  );
});

test("the most binding decision is the longest denial, or the least that remains", () => {
  const decision = fc.record({
    allowed: fc.boolean(),
    remaining: fc.integer({ min: 0, max: 3 }),
    retryAfterMs: fc.option(fc.integer({ min: 1, max: 3 })),
  });
  fc.assert(
    fc.property(fc.array(decision, { minLength: 1, maxLength: 6 }), (parts) => {
      const decisions = parts.map((part) => ({ ...fromRow([1, 9, 0, 0, 60, 60]), ...part }));
      const limits = decisions.flatMap((decision) => [{ decision: undefined }, { decision }]);
      const rank = ({ allowed, remaining, retryAfterMs }: Decision) =>
        allowed ? 1000 + remaining : -(retryAfterMs ?? 100);
      const least = Math.min(...decisions.map(rank));
      const first = decisions.find((one) => rank(one) === least);
      expect(mostBindingOf(limits)).toBe(first);
    }),
  );
});
