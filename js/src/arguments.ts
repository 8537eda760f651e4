import type { PolicyReference, RuleSource } from "./limiter.ts";
import { MAX_LIMIT } from "./rule.ts";
import { Rules } from "./rules.ts";

/** @throws {TypeError} The key is not a string. */
export function validateKey(key: string): string {
  return validateText("a key", key);
}

/** @throws {TypeError} The name of a policy is not a string. */
export function validateName(name: string): string {
  return validateText("the name of a policy", name);
}

function validateText(what: string, text: string): string {
  if (typeof text !== "string") {
    throw new TypeError(`${what} must be a string, not ${text}`);
  }
  return text;
}

/** Puts the prefix of a limiter before a key. Throws the errors of {@link validateKey}. */
export function prefixedKey(prefix: string, key: string): string {
  return prefix + validateKey(key);
}

/**
 * `name` is for the error.
 *
 * @throws {RangeError} The value is none of `values`.
 */
export function validateOneOf<T extends string>(name: string, value: T, values: readonly T[]): T {
  if (!values.includes(value)) {
    throw new RangeError(`${name} must be one of ${values.join(", ")}, not '${value}'`);
  }
  return value;
}

/**
 * `name` is for the error.
 *
 * @throws {TypeError} The value is no list.
 */
export function validateList<T>(name: string, value: readonly T[]): readonly T[] {
  if (!Array.isArray(value)) {
    throw new TypeError(`${name} must be a list, not ${value}`);
  }
  return value;
}

/** @throws {RangeError} The cost is not an integer from 1 on. */
export function validateCost(cost: number): number {
  if (!Number.isInteger(cost) || cost < 1 || cost > MAX_LIMIT) {
    throw new RangeError(`cost must be an integer from 1 to ${MAX_LIMIT}, not ${cost}`);
  }
  return cost;
}

/** @throws {TypeError} The rules are neither a text nor {@link Rules}. */
export function toRules(rules: string | Rules): Rules {
  if (typeof rules === "string") {
    return Rules.parse(rules);
  }
  if (!(rules instanceof Rules)) {
    throw new TypeError(`rules must be a text or Rules, not ${rules}`);
  }
  return rules;
}

/**
 * Parses a text with `parse`. `what` is for the error.
 *
 * @throws {TypeError} The source is neither rules nor the name of a policy.
 */
export function toSource(
  source: RuleSource,
  parse: (text: string) => Rules,
  what = "rules",
): Rules | PolicyReference {
  if (typeof source === "string") {
    return parse(source);
  }
  if (source instanceof Rules) {
    return source;
  }
  if (typeof source?.policy !== "string") {
    throw new TypeError(`${what} must be a text, Rules or { policy }, not ${source}`);
  }
  return source;
}
