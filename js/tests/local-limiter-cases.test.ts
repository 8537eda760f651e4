import { describe, expect, test } from "vitest";
import { LocalLimiter, type RuleSource } from "../src/index.ts";
import { toRow } from "./support/rows.ts";
import { readTable } from "./support/tables.ts";

interface Arguments {
  key: string;
  rules?: string;
  policy?: string;
  cost?: number;
}
interface Step {
  at: number;
  check?: Arguments;
  peek?: Arguments;
  mcheck?: { cost: number; checks: Arguments[] };
  decisions?: number[][];
  refund?: Arguments;
  reset?: Arguments;
  decision?: number[];
  count?: number;
  raises?: string;
}
interface Case {
  name: string;
  settings: { url?: string; instances?: number; policies?: Record<string, string> };
  steps: Step[];
}

const START = 1_700_000_000_000;
// The cases of one process without a server. Those of servers are for a limiter with a client.
const all = readTable<{ cases: Case[] }>("limiter_cases.json").cases;
const local = all.filter(
  ({ settings }) => settings.url === "memory://" && settings.instances === undefined,
);

describe("the shared table of limiters, in this process", () => {
  test("has cases for this process", () => {
    expect(local.length).toBeGreaterThanOrEqual(2);
  });

  test.each(local)("$name", ({ settings, steps }) => {
    let now = 0;
    const policies = settings.policies ?? {};
    const limiter = new LocalLimiter({ now: () => now, policies });
    const sourceOf = ({ rules, policy }: Arguments): RuleSource =>
      rules ?? { policy: policy as string };
    for (const step of steps) {
      now = START + step.at;
      const { check, peek, mcheck, refund, reset } = step;
      const run = (): unknown => {
        if (check) {
          return toRow(limiter.check(check.key, sourceOf(check), check));
        }
        if (peek) {
          return toRow(limiter.peek(peek.key, sourceOf(peek), peek));
        }
        if (mcheck) {
          const checks = mcheck.checks.map((one) => ({ key: one.key, rules: sourceOf(one) }));
          return limiter.checkAll(checks, mcheck).map(toRow);
        }
        if (refund) {
          return limiter.refund(refund.key, refund);
        }
        return reset && limiter.reset(reset.key);
      };
      if (!step.raises) {
        expect(run(), `at ${step.at}`).toEqual(step.decision ?? step.decisions ?? step.count);
      } else if (!("del_override" in step)) {
        expect(run, `at ${step.at}`).toThrow(step.raises);
      }
    }
  });

  /** The steps of a limiter with a server whose server is away: they are decided in this process. */
  const unavailable = all.filter(
    ({ name }) =>
      name === "several keys are checked all or nothing while the server is unavailable",
  );

  test.each(unavailable)("$name", ({ steps }) => {
    let now = 0;
    const limiter = new LocalLimiter({ now: () => now });
    for (const { at, mcheck, peek, decisions, decision } of steps) {
      now = START + at;
      if (mcheck) {
        const checks = mcheck.checks.map(({ key, rules = "" }) => ({ key, rules }));
        expect(limiter.checkAll(checks, mcheck).map(toRow), `at ${at}`).toEqual(decisions);
      } else if (peek) {
        expect(toRow(limiter.peek(peek.key, peek.rules ?? "")), `at ${at}`).toEqual(decision);
      }
    }
    expect(steps.length).toBeGreaterThan(3);
  });
});
