/** The maximum number of characters shown before the error and after it. */
const MAX_CONTEXT = 32;
/** The mark for omitted characters. */
const ELLIPSIS = "...";

/** The input that the parser expected: `advice` is the whole message, `expected` is followed by the input found. */
export type Expectation = { readonly advice: string } | { readonly expected: string };

/**
 * The error of a text that is not rules: what was expected, what was found, and where. The message shows the relevant
 * part of the text, with a caret under the character.
 *
 * ```text
 * expected a unit of time (ms, s, m, h, d or w), found 'fortnight'
 * 100/fortnight
 *     ^
 * ```
 */
export class ParseRulesError extends Error {
  override readonly name = "ParseRulesError";
  /** The index of the error in the text, or the length of the text if it ends too early. */
  readonly offset: number;

  constructor(text: string, offset: number, expectation: Expectation) {
    const before = last(text.slice(0, offset));
    const after = text.slice(offset);
    const caret = `${" ".repeat([...before].length)}^`;
    super(`${describe(expectation, after)}\n${before}${first(after)}\n${caret}`);
    this.offset = offset;
  }
}

function describe(expectation: Expectation, after: string): string {
  if ("advice" in expectation) {
    return expectation.advice;
  }
  const word = after.replace(/[^\p{Alphabetic}\p{N}].*$/su, "");
  const found = word ? first(word) : printable([...after].slice(0, 1));
  const end = found ? `, found '${found}'` : ", but the text ends";
  return `expected ${expectation.expected}${end}`;
}

/** The first characters of a text. */
function first(text: string): string {
  const characters = [...text];
  const shown = printable(characters.slice(0, MAX_CONTEXT));
  return characters.length > MAX_CONTEXT ? shown + ELLIPSIS : shown;
}

/** The last characters of a text. */
function last(text: string): string {
  const characters = [...text];
  const shown = printable(characters.slice(-MAX_CONTEXT));
  return characters.length > MAX_CONTEXT ? ELLIPSIS + shown : shown;
}

/** Replaces characters that do not take one column. */
function printable(characters: readonly string[]): string {
  return characters
    .join("")
    .replace(/\p{White_Space}/gu, " ")
    .replace(/\p{Cc}/gu, "\ufffd");
}
