/** The number of texts that are remembered. */
const MAX_TEXTS = 1000;

/** Caches the results of parsing texts. When full, forgets all of them. */
export class TextCache<T> {
  readonly #parsed: Map<string, T> = new Map();
  readonly #parse: (text: string) => T;

  constructor(parse: (text: string) => T) {
    this.#parse = parse;
  }

  /** Parses a text. Throws the errors of the function that parses. */
  get(text: string): T {
    let parsed = this.#parsed.get(text);
    if (parsed === undefined) {
      parsed = this.#parse(text);
      if (this.#parsed.size >= MAX_TEXTS) {
        this.#parsed.clear();
      }
      this.#parsed.set(text, parsed);
    }
    return parsed;
  }
}
