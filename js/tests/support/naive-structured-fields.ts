/**
 * A parser of Structured Field Lists that follows the algorithms of RFC 9651, section 4.2, step by step, and is as slow
 * as they are. It returns `r` and `t` of the items that have them.
 */

interface Integer {
  readonly integer: number;
}
type BareItem = Integer | "other";
type Parameters = Map<string, BareItem>;

class Malformed extends Error {}

class Input {
  private rest: string;

  constructor(text: string) {
    this.rest = text;
  }

  next(): string {
    return this.rest.charAt(0);
  }

  take(): string {
    const next = this.next();
    if (!next) {
      throw new Malformed();
    }
    this.rest = this.rest.slice(1);
    return next;
  }

  takeWhile(accepted: string): string {
    let taken = "";
    while (this.next() && accepted.includes(this.next())) {
      taken += this.take();
    }
    return taken;
  }

  expect(character: string): void {
    if (this.take() !== character) {
      throw new Malformed();
    }
  }
}

const DIGITS = "0123456789";
const LOWER = "abcdefghijklmnopqrstuvwxyz";
const LETTERS = LOWER + LOWER.toUpperCase();

export function naiveItems(text: string): [remaining: number, reset: number | undefined][] {
  try {
    return parseList(new Input(text)).flatMap((parameters) => {
      const [r, t] = [parameters.get("r"), parameters.get("t")];
      const isUnits = (item: BareItem | undefined): item is Integer =>
        typeof item === "object" && item.integer >= 0;
      return isUnits(r) && (t === undefined || isUnits(t)) ? [[r.integer, t?.integer]] : [];
    });
  } catch (error) {
    if (error instanceof Malformed) {
      return [];
    }
    throw error;
  }
}

function parseList(input: Input): Parameters[] {
  const items: Parameters[] = [];
  input.takeWhile(" ");
  while (input.next()) {
    if (input.next() === "(") {
      parseInnerList(input);
      parseParameters(input);
    } else {
      items.push(parseItem(input));
    }
    input.takeWhile(" \t");
    if (!input.next()) {
      return items;
    }
    input.expect(",");
    input.takeWhile(" \t");
    if (!input.next()) {
      throw new Malformed();
    }
  }
  return items;
}

function parseInnerList(input: Input): void {
  input.expect("(");
  for (;;) {
    input.takeWhile(" ");
    if (input.next() === ")") {
      input.take();
      return;
    }
    parseItem(input);
    if (input.next() !== " " && input.next() !== ")") {
      throw new Malformed();
    }
  }
}

function parseItem(input: Input): Parameters {
  parseBareItem(input);
  return parseParameters(input);
}

function parseParameters(input: Input): Parameters {
  const parameters: Parameters = new Map();
  while (input.next() === ";") {
    input.take();
    input.takeWhile(" ");
    if (!input.next() || !`${LOWER}*`.includes(input.next())) {
      throw new Malformed();
    }
    const key = input.takeWhile(`${LOWER + DIGITS}_-.*`);
    let value: BareItem = "other";
    if (input.next() === "=") {
      input.take();
      value = parseBareItem(input);
    }
    parameters.set(key, value);
  }
  return parameters;
}

function parseBareItem(input: Input): BareItem {
  const next = input.next();
  if (next === "-" || (next && DIGITS.includes(next))) {
    return parseNumber(input);
  }
  if (next === '"') {
    return parseString(input);
  }
  if (next === ":") {
    input.take();
    input.takeWhile(`${LETTERS + DIGITS}+/=`);
    input.expect(":");
    return "other";
  }
  if (next === "?") {
    input.take();
    if (!"01".includes(input.take())) {
      throw new Malformed();
    }
    return "other";
  }
  if (next === "@") {
    input.take();
    if (typeof parseNumber(input) !== "object") {
      throw new Malformed();
    }
    return "other";
  }
  if (next && `${LETTERS}*`.includes(next)) {
    input.takeWhile(`${LETTERS + DIGITS}!#$%&'*+-.^_\`|~:/`);
    return "other";
  }
  throw new Malformed();
}

function parseNumber(input: Input): BareItem {
  const sign = input.next() === "-" ? -1 : 1;
  if (sign < 0) {
    input.take();
  }
  const whole = input.takeWhile(DIGITS);
  if (!whole) {
    throw new Malformed();
  }
  if (input.next() !== ".") {
    if (whole.length > 15) {
      throw new Malformed();
    }
    // Plus zero: minus zero is zero.
    return { integer: sign * Number(whole) + 0 };
  }
  input.take();
  const fraction = input.takeWhile(DIGITS);
  if (whole.length > 12 || fraction.length < 1 || fraction.length > 3) {
    throw new Malformed();
  }
  return "other";
}

function parseString(input: Input): BareItem {
  input.expect('"');
  for (;;) {
    const character = input.take();
    if (character === '"') {
      return "other";
    }
    if (character === "\\" ? !'"\\'.includes(input.take()) : character < " " || character > "~") {
      throw new Malformed();
    }
  }
}
