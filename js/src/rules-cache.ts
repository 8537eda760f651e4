import { Rules } from "./rules.ts";

/** The number of texts whose rules are remembered. */
const MAX_TEXTS = 1000;

/** Remembers the rules of texts. */
export class RulesCache {
  readonly #rules: Map<string, Rules> = new Map();

  /**
   * Returns the rules of a text, and anything else as it is.
   *
   * @throws {ParseRulesError} The text is not rules.
   */
  parse<T>(rules: string | T): Rules | T {
    if (typeof rules !== "string") {
      return rules;
    }
    let parsed = this.#rules.get(rules);
    if (!parsed) {
      parsed = Rules.parse(rules);
      if (this.#rules.size >= MAX_TEXTS) {
        this.#rules.clear();
      }
      this.#rules.set(rules, parsed);
    }
    return parsed;
  }
}
