import type { PolicyReference } from "../limiter.ts";
import { formatRule, type Rule } from "../rule.ts";
import type { Rules } from "../rules.ts";
import { fieldInteger, fieldSeconds, fieldString, fieldText } from "./structured-fields.ts";

/** A rule and the name that responses report it under. */
export interface NamedRule {
  readonly name: string;
  /** The name as a String of RFC 9651. */
  readonly field: string;
  readonly rule: Rule;
}

/**
 * The rules of a limit, each with the name that responses report it under: the names given, or else the text of the
 * rule, such as `100/minute`. The rules of a policy are not known: one is listed when a decision reports it, named by
 * the policy and its text, such as `search:100/minute`.
 */
export class NamedRules {
  readonly listed: readonly NamedRule[];
  readonly #policy: string | undefined;
  /** The prefix of all names. */
  readonly #prefix: string;

  private constructor(listed: readonly NamedRule[], policy?: string, prefix: string = "") {
    this.listed = listed;
    this.#policy = policy;
    this.#prefix = prefix;
  }

  /**
   * The rules, with their texts or one name for each.
   *
   * @throws {RangeError} if the number of names is not that of the rules, or a name is empty, given twice, or has a
   * character that is not visible ASCII or a space.
   */
  static of(rules: Rules, names?: readonly string[], policy?: string): NamedRules {
    if (!names) {
      const listed = new Map(rules.list.map((rule) => [defaultName(rule, policy), rule]));
      return new NamedRules(
        [...listed].map(([name, rule]) => namedRule(name, rule)),
        policy,
      );
    }
    if (names.length !== rules.list.length) {
      throw new RangeError(`${names.length} names are given to ${rules.list.length} rules`);
    }
    for (const [index, name] of names.entries()) {
      if (!name || name !== fieldText(name)) {
        throw new RangeError(
          `the name of a rule must be visible ASCII characters, not ${JSON.stringify(name)}`,
        );
      }
      if (names.indexOf(name) !== index) {
        throw new RangeError(`the name ${JSON.stringify(name)} is given to two rules`);
      }
    }
    return new NamedRules(rules.list.map((rule, index) => namedRule(names[index] as string, rule)));
  }

  /** The rules of a policy, which are not known. */
  static ofPolicy({ policy }: PolicyReference): NamedRules {
    return new NamedRules([], policy);
  }

  /** The same rules, with their position in a set as the prefix of all names. */
  withPrefix(position: number): NamedRules {
    return new NamedRules(
      this.listed.map(({ name, rule }) => namedRule(`${position}:${name}`, rule)),
      this.#policy,
      `${position}:${this.#prefix}`,
    );
  }

  /** Whether a rule of one could have the same name as a rule of the other. */
  conflictsWith(other: NamedRules): boolean {
    const hasSamePolicy = this.#policy !== undefined && this.#policy === other.#policy;
    return (
      other.listed.some(({ name }) => this.hasName(name)) ||
      (hasSamePolicy && this.#prefix === other.#prefix)
    );
  }

  hasName(name: string): boolean {
    return this.listed.some((listed) => listed.name === name);
  }

  /** The rule with its name, if it is listed. */
  find({ limit, windowMs }: Rule): NamedRule | undefined {
    return this.listed.find(({ rule }) => rule.limit === limit && rule.windowMs === windowMs);
  }

  /** A rule that is not listed, with an unused name. */
  unlisted({ limit, windowMs }: Rule, isUsed: (name: string) => boolean): NamedRule {
    const rule = { limit, windowMs };
    let name = this.#prefix + defaultName(rule, this.#policy);
    while (isUsed(name)) {
      name = `now:${name}`;
    }
    return namedRule(name, rule);
  }
}

/** The value of a `RateLimit-Policy` header that lists these rules. */
export function policyField(rules: Iterable<NamedRule>): string {
  const items: string[] = [];
  for (const { field, rule } of rules) {
    const [quota, seconds] = [fieldInteger(rule.limit), fieldSeconds(rule.windowMs)];
    items.push(`${field};q=${quota};w=${seconds}`);
  }
  return items.join(", ");
}

function namedRule(name: string, rule: Rule): NamedRule {
  return { name, field: fieldString(name), rule };
}

function defaultName(rule: Rule, policy: string | undefined): string {
  return policy === undefined ? formatRule(rule) : fieldText(`${policy}:${formatRule(rule)}`);
}
