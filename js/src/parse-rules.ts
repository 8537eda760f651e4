import { type Expectation, ParseRulesError } from "./parse-rules-error.ts";
import { isWindow, MAX_LIMIT, MAX_RULES, MAX_WINDOW_MS, type Rule, UNITS } from "./rule.ts";

/** Units of the calendar, whose length varies, with their words and the days that stand in for one. */
const CALENDAR_UNITS = [
  { words: ["month", "mo"], days: 30 },
  { words: ["year", "yr", "y"], days: 365 },
] as const;
const DAY_MS = 86_400_000;

/** Parses rules: see `Rules.parse`. */
export function parseRules(text: string): Rule[] {
  const parser = new Parser(text);
  const rules = [parser.rule()];
  while (parser.take(/[;,|]/y)) {
    parser.spaces();
    const start = parser.offset;
    const rule = parser.rule();
    if (rules.length === MAX_RULES) {
      parser.fail({ advice: `at most ${MAX_RULES} rules are allowed` }, start);
    }
    rules.push(rule);
  }
  if (parser.offset < text.length) {
    parser.fail({ expected: "';' or the end after a rule" });
  }
  return rules;
}

/** A text and the position of the next character. */
class Parser {
  readonly #text: string;
  offset = 0;

  constructor(text: string) {
    this.#text = text;
  }

  fail(expectation: Expectation, offset: number = this.offset): never {
    throw new ParseRulesError(this.#text, offset, expectation);
  }

  /** Takes the input that a sticky expression matches; an empty string if there is none. */
  take(expression: RegExp): string {
    expression.lastIndex = this.offset;
    const taken = expression.exec(this.#text)?.[0] ?? "";
    this.offset += taken.length;
    return taken;
  }

  spaces(): void {
    this.take(/\p{White_Space}*/uy);
  }

  rule(): Rule {
    this.spaces();
    const start = this.offset;
    const limit = strictDecimal(this.take(/\d+/y));
    if (limit === undefined || limit > MAX_LIMIT) {
      this.fail({ expected: `a limit from 0 to ${MAX_LIMIT}` }, start);
    }
    this.spaces();
    if (!this.take(/\/|per(?!\p{Alphabetic})/iuy)) {
      this.fail({ expected: "'/' or 'per' after the limit" });
    }
    this.spaces();
    const windowMs = this.window(limit);
    this.spaces();
    return { limit, windowMs };
  }

  /** `limit` is for the message about a unit of the calendar. */
  window(limit: number): number {
    const start = this.offset;
    const digits = this.take(/\d+/y);
    if (digits) {
      this.spaces();
    } else if (!this.peek(/[\p{Alphabetic}\p{N}]/uy)) {
      this.fail({ expected: "a window, such as minute or 10s" });
    }
    const count = digits ? strictDecimal(digits) : 1;
    const unitStart = this.offset;
    const word = this.take(/\p{Alphabetic}+/uy).replace(/[A-Z]/g, (letter) => letter.toLowerCase());
    const singular = word.replace(/s$/, "");
    const calendar = CALENDAR_UNITS.find(({ words }) =>
      (words as readonly string[]).includes(singular),
    );
    const unitMs = calendar
      ? calendar.days * DAY_MS
      : UNITS.find(
          ({ symbol, words }) =>
            symbol === word || words.some((name) => name === word || name === singular),
        )?.ms;
    if (unitMs === undefined) {
      this.fail({ expected: "a unit of time (ms, s, m, h, d or w)" }, unitStart);
    }
    const windowMs = count === undefined ? 0 : count * unitMs;
    if (!isWindow(windowMs)) {
      this.fail({ expected: `a window from 1ms to ${MAX_WINDOW_MS / DAY_MS}d` }, start);
    }
    if (calendar) {
      const advice = `a ${calendar.words[0]} has no fixed length; use ${limit}/${windowMs / DAY_MS}d`;
      this.fail({ advice }, unitStart);
    }
    return windowMs;
  }

  peek(expression: RegExp): boolean {
    expression.lastIndex = this.offset;
    return expression.test(this.#text);
  }
}

/** Parses digits without leading zeros. */
function strictDecimal(digits: string): number | undefined {
  return /^(0|[1-9]\d*)$/.test(digits) ? Number(digits) : undefined;
}
