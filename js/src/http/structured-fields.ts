/** The largest Integer of a Structured Field (RFC 9651). */
const MAX_INTEGER = 999_999_999_999_999;

/** Formats a String of RFC 9651. Characters that a String cannot have become `?`. */
export function fieldString(text: string): string {
  return `"${fieldText(text).replace(/["\\]/g, "\\$&")}"`;
}

/** The text with only the characters that a String of RFC 9651 can have. */
export function fieldText(text: string): string {
  return text.replace(/[^ -~]/g, "?");
}

/** Bounds a number, so that it is an Integer of RFC 9651. */
export function fieldInteger(value: number): number {
  return Math.min(value, MAX_INTEGER);
}

/** Milliseconds in whole seconds, rounded up, at least 1. */
export function fieldSeconds(ms: number): number {
  return fieldInteger(Math.max(1, Math.ceil(ms / 1000)));
}
