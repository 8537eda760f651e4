import { describe, expect, test } from "vitest";
import { LocalLimiter, Rules } from "../src/index.ts";
import { type Row, toRow } from "./support/rows.ts";
import { readTable } from "./support/tables.ts";

type Pairs = [limit: number, window: number][];
type Event = { at: number; cost?: number; decision: Row } & ({ check: Pairs } | { peek: Pairs });
type Refund = { at: number; refund: number; units: number };

const START = 1_700_000_000_000;
const { cases } = readTable<{ cases: { name: string; events: (Event | Refund)[] }[] }>(
  "cases.json",
);

describe("the shared table of decisions", () => {
  test.each(cases)("$name", ({ events }) => {
    let now = 0;
    const limiter = new LocalLimiter({ now: () => now });
    for (const event of events) {
      now = START + event.at;
      if ("refund" in event) {
        expect(limiter.refund("key", { cost: event.refund })).toBe(event.units);
        continue;
      }
      const pairs = "check" in event ? event.check : event.peek;
      const rules = Rules.of(...pairs.map(([limit, windowMs]) => ({ limit, windowMs })));
      const options = { cost: event.cost ?? 1 };
      const decision =
        "check" in event
          ? limiter.check("key", rules, options)
          : limiter.peek("key", rules, options);
      expect(toRow(decision), JSON.stringify(event)).toEqual(event.decision);
    }
  });
});
