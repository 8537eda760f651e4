import { describe, expect, test } from "vitest";
import { LocalLimiter } from "../src/index.ts";
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
const local = readTable<{ cases: Case[] }>("limiter_cases.json").cases.filter(
  ({ settings }) => settings.url === "memory://" && settings.instances === undefined,
);

describe("the shared table of limiters", () => {
  test("has cases for this process", () => {
    expect(local.length).toBeGreaterThanOrEqual(2);
  });

  test.each(local)("$name", ({ settings, steps }) => {
    let now = 0;
    const limiter = new LocalLimiter({ now: () => now });
    // The steps that fail are about policies and overrides, which this limiter does not have.
    for (const { at, check, peek, refund, reset, ...result } of steps.filter(
      ({ raises }) => !raises,
    )) {
      now = START + at;
      const { key, cost = 1, policy, rules } = (check ?? peek ?? refund ?? reset) as Arguments;
      const given = rules ?? settings.policies?.[policy ?? ""] ?? "";
      if (check || peek) {
        const decision = check
          ? limiter.check(key, given, { cost })
          : limiter.peek(key, given, { cost });
        expect(toRow(decision), `at ${at}`).toEqual(result.decision);
      } else {
        expect(refund ? limiter.refund(key, { cost }) : limiter.reset(key)).toBe(result.count);
      }
    }
  });
});
