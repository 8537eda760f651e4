import { expect, test } from "vitest";
import { Rules } from "../../src/index.ts";
import { Policies } from "../../src/limiter/policies.ts";

const FETCHED = { rules: Rules.parse("5/minute"), mode: "shadow" } as const;

test("a policy that was fetched once is known, also when it cannot be fetched again", () => {
  const own = Rules.parse("1/minute");
  const policies = new Policies({ own });
  expect(policies.shouldFetch("own", 0)).toBe(false);
  expect([policies.shouldFetch("gold", 0), policies.shouldFetch("gold", 1)]).toEqual([true, false]);
  policies.store("gold", FETCHED, 2);
  policies.fetchFailed("gold");
  expect(policies.shouldFetch("gold", 3)).toBe(true);
  expect(policies.resolve({ policy: "gold" })).toBe(FETCHED);
  policies.store("gold", undefined, 4);
  expect(policies.resolve({ policy: "gold" })).toBeUndefined();
});

test("the number of names is bounded", () => {
  const policies = new Policies({});
  const names = Array.from({ length: 2000 }, (_, n) => `policy-${n}`);
  expect(names.filter((name) => policies.shouldFetch(name, 0))).toHaveLength(1000);
  expect(names.filter((name) => policies.shouldReport(name))).toHaveLength(1000);
  expect(policies.shouldFetch("policy-0", 60_000)).toBe(true);
});
