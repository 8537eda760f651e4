import { parseRules } from "./parse-rules.ts";
import { formatRule, isWindow, MAX_LIMIT, MAX_RULES, MAX_WINDOW_MS, type Rule } from "./rule.ts";

/**
 * 1 to 16 rules, which all hold.
 *
 * ```ts
 * const rules = Rules.parse("10/second; 1000 per hour");
 * console.log(String(rules)); // 10/second; 1000/hour
 * ```
 */
export class Rules implements Iterable<Rule> {
  readonly #rules: readonly Rule[];
  /** The longest window, in milliseconds. */
  readonly longestWindowMs: number;

  private constructor(rules: readonly Rule[]) {
    this.#rules = rules;
    this.longestWindowMs = Math.max(...rules.map(({ windowMs }) => windowMs));
  }

  /**
   * Parses rules separated by `;`, `,` or `|`. A rule is a limit, `/` or `per`, and a window: a unit, or a whole number
   * of units (`ms`, `s`, `m`, `h`, `d`, `w`, `sec`, `min`, and the full words in the singular or the plural). Case and
   * spaces are ignored.
   *
   * @throws {ParseRulesError} for any other text, such as `-1/minute`, `100/fortnight`, `1.5/s` or 17 rules. For months
   * and years, whose length varies, the message has the rule in days: `100/30d` for `100/month`.
   */
  static parse(text: string): Rules {
    return new Rules(parseRules(text));
  }

  /**
   * Returns these rules.
   *
   * @throws {RangeError} for no rules or more than 16, and for a limit or window out of bounds.
   */
  static of(...rules: Rule[]): Rules {
    if (rules.length < 1 || rules.length > MAX_RULES) {
      throw new RangeError(`expected 1 to ${MAX_RULES} rules, not ${rules.length}`);
    }
    for (const { limit, windowMs } of rules) {
      if (!Number.isInteger(limit) || limit < 0 || limit > MAX_LIMIT) {
        throw new RangeError(`limit must be an integer from 0 to ${MAX_LIMIT}, not ${limit}`);
      }
      if (!isWindow(windowMs)) {
        throw new RangeError(
          `windowMs must be an integer from 1 to ${MAX_WINDOW_MS}, not ${windowMs}`,
        );
      }
    }
    return new Rules(rules.map(({ limit, windowMs }) => ({ limit, windowMs })));
  }

  /** The rules in order. */
  get list(): readonly Rule[] {
    return this.#rules;
  }

  /** Iterates over the rules in order. */
  [Symbol.iterator](): Iterator<Rule> {
    return this.#rules[Symbol.iterator]();
  }

  /** Formats the rules as {@link Rules.parse} reads them: `10/second; 1000/hour`. */
  toString(): string {
    return this.#rules.map(formatRule).join("; ");
  }
}
