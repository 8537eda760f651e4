import { describe, expect, test } from "vitest";
import type { HeaderFamily } from "../../src/http/header-family.ts";
import { LimitSet, type ReportedLimit } from "../../src/http/limit-set.ts";
import { NamedRules } from "../../src/http/named-rules.ts";
import { Rules } from "../../src/index.ts";
import { fromRow, type Row } from "../support/rows.ts";
import { readTable } from "../support/tables.ts";

interface Case {
  name: string;
  family: HeaderFamily;
  sent_at?: number;
  limits: { rules?: string; names?: string[]; policy?: string }[];
  /** `null` for a limit that was not decided. */
  decisions: (Row | null)[];
  /** Whether each decision is based on units; default: all. */
  counted?: boolean[];
  headers: [string, string][];
  problem?: unknown;
}

const { write } = readTable<{ write: Case[] }>("http_cases.json");

function namedRules({ rules, names, policy }: Case["limits"][number]): NamedRules {
  return rules === undefined
    ? NamedRules.ofPolicy({ policy: policy as string })
    : NamedRules.of(Rules.parse(rules), names, policy);
}

function reported(rows: Case["decisions"], counted: boolean[] = []): ReportedLimit[] {
  return rows.map((row, index) => ({
    decision: row ? fromRow(row) : undefined,
    isCounted: counted[index] ?? true,
  }));
}

describe("the shared table of HTTP headers", () => {
  test.each(write)(
    "write: $name",
    ({ family, sent_at = 0, limits, decisions, counted, headers, problem }) => {
      const set = new LimitSet(limits.map(namedRules));
      const decided = reported(decisions, counted);
      expect(set.headers(family, decided, () => sent_at * 1000)).toEqual(headers);
      if (problem) {
        expect(set.problem(decided)).toEqual(problem);
      }
    },
  );
});

test("a name that looks like a prefix causes no conflict", () => {
  const named = NamedRules.of(Rules.parse("1/second; 2/second"), ["1/day", "2:1/day"]);
  const set = new LimitSet([named, NamedRules.of(Rules.parse("1/day"))]);
  const limits = reported([
    [1, 2, 1, 0, 1000, 1000],
    [1, 1, 0, 0, 86_400_000, 86_400_000],
  ]);
  expect(set.headers("draft-11", limits, Date.now)[0]).toEqual([
    "ratelimit-policy",
    '"1/day";q=1;w=1, "2:1/day";q=2;w=1, "2:2:1/day";q=1;w=86400',
  ]);
});

test("the names of a policy's second limit do not depend on the first", () => {
  const policy = { policy: "login" };
  const set = new LimitSet([NamedRules.ofPolicy(policy), NamedRules.ofPolicy(policy)]);
  for (const first of [5, 7]) {
    const limits = reported([
      [1, first, 4, 0, 60_000, 60_000],
      [1, 5, 4, 0, 60_000, 60_000],
    ]);
    expect(set.headers("draft-11", limits, Date.now)[1]).toEqual([
      "ratelimit",
      `"login:${first}/minute";r=4;t=60, "2:login:5/minute";r=4;t=60`,
    ]);
  }
});

test("a rule that is given twice is listed once, and odd policies are written as ASCII", () => {
  expect(NamedRules.of(Rules.parse("5/second; 5/1000ms")).listed).toHaveLength(1);
  const set = new LimitSet([NamedRules.ofPolicy({ policy: "täg\n" })]);
  const limits = reported([[1, 5, 4, 0, 1000, 1000]]);
  expect(set.headers("draft-11", limits, Date.now)[1]?.[1]).toBe('"t?g?:5/second";r=4;t=1');
});

test.each([
  [["burst"], "1 names are given to 2 rules"],
  [["a", "b", "c"], "3 names are given to 2 rules"],
  [["burst", ""], 'the name of a rule must be visible ASCII characters, not ""'],
  [["burst", "burst"], 'the name "burst" is given to two rules'],
  [["burst", "täglich"], 'the name of a rule must be visible ASCII characters, not "täglich"'],
  [["burst", "a\n"], 'the name of a rule must be visible ASCII characters, not "a\\n"'],
])("an error says which name is wrong: %j", (names, message) => {
  const rules = Rules.parse("10/second; 100/minute");
  expect(() => NamedRules.of(rules, names)).toThrow(new RangeError(message));
});
