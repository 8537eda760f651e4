import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ParseRulesError, Rules } from "../src/index.ts";
import { readTable } from "./support/tables.ts";

const table = readTable<{
  accept: [string, string][];
  reject: { text: string; error: string[] }[];
}>("rules_cases.json");

function error(text: string): ParseRulesError {
  try {
    Rules.parse(text);
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(ParseRulesError);
    return thrown as ParseRulesError;
  }
  return expect.unreachable(`${text} is accepted`);
}

describe("the shared table of rules", () => {
  test.each(table.accept)("%s is accepted", (text, canonical) => {
    const rules = Rules.parse(text);
    expect(String(rules)).toBe(canonical);
    expect([...Rules.parse(canonical)]).toEqual([...rules]);
  });

  test.each(table.reject)("$text is rejected", ({ text, error: lines }) => {
    expect(error(text).message.split("\n")).toEqual(lines);
  });
});

const LIMIT = "expected a limit from 0 to 4294967295";
const PER = "expected '/' or 'per' after the limit";
const WINDOW = "expected a window, such as minute or 10s";
const BOUNDS = "expected a window from 1ms to 3660d";
const UNIT = "expected a unit of time (ms, s, m, h, d or w)";
const RULE = "expected ';' or the end after a rule";

test.each([
  ["", 0, LIMIT, ""],
  ["  ", 2, LIMIT, ""],
  ["01/minute", 0, LIMIT, "01"],
  ["-1/minute", 0, LIMIT, "-"],
  ["4294967296/minute", 0, LIMIT, "4294967296"],
  ["per minute", 0, LIMIT, "per"],
  ["10/s;", 5, LIMIT, ""],
  [", 10/s", 0, LIMIT, ","],
  ["100", 3, PER, ""],
  ["1.5/minute", 1, PER, "."],
  ["1_000/minute", 1, PER, "_"],
  ["100 perminute", 4, PER, "perminute"],
  ["100/", 4, WINDOW, ""],
  ["100/ ; 5/m", 5, WINDOW, ";"],
  ["100//s", 4, WINDOW, "/"],
  ["100/0s", 4, BOUNDS, "0s"],
  ["100/3661 days", 4, BOUNDS, "3661"],
  ["100/01s", 4, BOUNDS, "01s"],
  ["100/99999999999999999999s", 4, BOUNDS, "99999999999999999999s"],
  ["100/60", 6, UNIT, ""],
  ["100/2.5s", 5, UNIT, "."],
  ["100/10 ss", 7, UNIT, "ss"],
  ["100/mss", 4, UNIT, "mss"],
  ["100/wee\u212a", 4, UNIT, "wee\u212a"],
  ["100/1h30m", 6, RULE, "30m"],
  ["10/s 5/m", 5, RULE, "5"],
  ["10/s\u0007", 4, RULE, "\ufffd"],
  ["10/Stündchen; 5/m", 3, UNIT, "Stündchen"],
  ["1/s;\u30005 per ½", 11, UNIT, "½"],
  ["1/s\n\t€", 5, RULE, "€"],
  ["1/s 😀", 4, RULE, "😀"],
])("%j has its error at %i", (text, offset, expected, found) => {
  const { message, offset: actual } = error(text);
  const end = found ? `, found '${found}'` : ", but the text ends";
  const line = text.replace("\u0007", "\ufffd").replace(/[\n\t\u3000]/g, " ");
  expect(message).toBe(`${expected}${end}\n${line}\n${" ".repeat(offset)}^`);
  expect(actual).toBe(offset);
});

test("the error points at an excess rule, and shows a part of the text", () => {
  const { message, offset } = error(`${"1/s; ".repeat(16)}17/s; ${"nonsense ".repeat(9)}`);
  const line = `...; ${"1/s; ".repeat(6)}17/s; ${"nonsense ".repeat(9).slice(0, 26)}...`;
  expect(message).toBe(`at most 16 rules are allowed\n${line}\n${" ".repeat(35)}^`);
  expect(offset).toBe(80);
  expect(error(`1/${"x".repeat(40)}`).message).toContain(`found '${"x".repeat(32)}...'`);
});

test("rules are created from limits and windows in bounds", () => {
  const rules = Rules.of({ limit: 2, windowMs: 1500 }, { limit: 0, windowMs: 604_800_000 });
  expect(String(rules)).toBe("2/1500ms; 0/week");
  expect(rules.longestWindowMs).toBe(604_800_000);
  const rule = { limit: 1, windowMs: 1 };
  for (const [all, message] of [
    [[], "expected 1 to 16 rules, not 0"],
    [Array(17).fill(rule), "expected 1 to 16 rules, not 17"],
    [[{ ...rule, limit: -1 }], "limit must be an integer from 0 to 4294967295, not -1"],
    [[{ ...rule, limit: 1.5 }], "limit must be an integer from 0 to 4294967295, not 1.5"],
    [
      [{ ...rule, limit: 2 ** 32 }],
      "limit must be an integer from 0 to 4294967295, not 4294967296",
    ],
    [[{ ...rule, windowMs: 0 }], "windowMs must be an integer from 1 to 316224000000, not 0"],
  ] as const) {
    expect(() => Rules.of(...all)).toThrow(new RangeError(message));
  }
});

test("rules round-trip", () => {
  const windowMs = fc.oneof(
    fc.integer({ min: 1, max: 316_224_000_000 }),
    fc
      .tuple(
        fc.integer({ min: 1, max: 30 }),
        fc.constantFrom(1, 1000, 60_000, 3_600_000, 86_400_000),
      )
      .map(([count, unit]) => count * unit),
  );
  const rule = fc.record({ limit: fc.integer({ min: 0, max: 2 ** 32 - 1 }), windowMs });
  fc.assert(
    fc.property(fc.array(rule, { minLength: 1, maxLength: 16 }), (all) => {
      expect([...Rules.parse(String(Rules.of(...all)))]).toEqual(all);
    }),
  );
});

test("any text is accepted or rejected", () => {
  const text = fc.oneof(
    fc.stringMatching(/^[0-9a-zäµ/;,| .-]{0,40}$/),
    fc.stringMatching(/^([0-9]{1,4} ?(\/|per) ?[0-9]{0,2} ?(s|mo|months?|y|years?)[;|]?){1,2}$/),
    fc.string({ unit: "binary" }),
  );
  fc.assert(
    fc.property(text, (value) => {
      try {
        const rules = Rules.parse(value);
        expect([...Rules.parse(String(rules))]).toEqual([...rules]);
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(ParseRulesError);
        const { offset, message } = thrown as ParseRulesError;
        expect(offset).toBeLessThanOrEqual(value.length);
        const [caret = "", line = ""] = message.split("\n").reverse();
        expect([...caret].length).toBeLessThanOrEqual([...line].length + 1);
      }
    }),
    { numRuns: 1000 },
  );
});
