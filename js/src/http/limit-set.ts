import type { Decision } from "../decision.ts";
import type { HeaderFamily } from "./header-family.ts";
import { mostBindingOf } from "./most-binding.ts";
import { type NamedRule, type NamedRules, policyField } from "./named-rules.ts";
import { fieldInteger, fieldSeconds } from "./structured-fields.ts";

/** The name of a header in lower case, and its value. */
export type Field = readonly [name: string, value: string];

/** At least one decision, in the order of the limits of a set. */
export type Decisions = readonly [Decision, ...Decision[]];

/** The problem details (RFC 9457) of a denied request. */
export interface QuotaProblem {
  readonly type: "https://iana.org/assignments/http-problem-types#quota-exceeded";
  readonly title: string;
  readonly status: 429;
  /** The names of the rules that deny the request, as in the headers. */
  readonly "violated-policies": readonly string[];
  /** Milliseconds; `null` if the request can never be allowed. */
  readonly retry_after_ms: number | null;
}

/** A limit of a set, as a response reports it. */
export interface ReportedLimit {
  /** `undefined` if the limit was not decided, because another denied the request. */
  readonly decision: Decision | undefined;
  /** Whether the decision is based on units. A fixed fallback counts none. */
  readonly isCounted: boolean;
}

/** The rules that decisions report. */
interface BindingRules {
  /** That of each limit; `undefined` for a limit without a decision on units. */
  readonly rules: readonly (NamedRule | undefined)[];
  /** A `RateLimit-Policy` that lists all of them. */
  readonly policy: string;
}

/**
 * The limits of a request, each with its own decision, and the headers that report them together. The names of all rules
 * differ: if a limit has a name or a policy of an earlier one, its names get its position as a prefix, such as
 * `2:100/minute`.
 */
export class LimitSet {
  readonly #limits: readonly NamedRules[];
  readonly #policy: string;

  constructor(limits: Iterable<NamedRules>) {
    const set: NamedRules[] = [];
    for (let rules of limits) {
      while (set.some((earlier) => earlier.conflictsWith(rules))) {
        rules = rules.withPrefix(set.length + 1);
      }
      set.push(rules);
    }
    this.#limits = set;
    this.#policy = policyField(set.flatMap(({ listed }) => listed));
  }

  /**
   * The headers of a response. `now` returns the time in milliseconds since the Unix epoch.
   *
   * `RateLimit` has one item for each limit with a decision on units: its binding rule. `t` is the time until a denied
   * request is allowed, or else until the window is empty, in seconds, rounded up; the window, if it is empty and the
   * request is denied. The other headers report the most binding decision. No time is later than `Retry-After`, which is
   * left out if the request can never be allowed.
   */
  headers(family: HeaderFamily, limits: readonly ReportedLimit[], now: () => number): Field[] {
    const fields: Field[] = [];
    const binding = mostBindingOf(limits);
    const maxMs = (binding?.allowed ? undefined : binding?.retryAfterMs) ?? Infinity;
    const counted = mostBindingOf(limits.filter(({ isCounted }) => isCounted));
    if (counted && (family === "draft-11" || family === "both")) {
      const { rules, policy } = this.#bindingRules(limits);
      fields.push(["ratelimit-policy", policy], ["ratelimit", items(limits, rules, maxMs)]);
    }
    if (counted && family !== "draft-11" && family !== "none") {
      const wait = Math.min(effectiveMs(counted), maxMs);
      const isEpoch = family === "x-ratelimit-epoch";
      const reset = fieldSeconds(isEpoch ? Math.floor(now()) + Math.max(1, wait) : wait);
      fields.push(
        ["x-ratelimit-limit", `${counted.limit}`],
        ["x-ratelimit-remaining", `${fieldInteger(counted.remaining)}`],
        ["x-ratelimit-reset", `${reset}`],
      );
    }
    if (maxMs < Infinity) {
      fields.push(["retry-after", `${fieldSeconds(maxMs)}`]);
    }
    return fields;
  }

  /** The problem details of a denied request. Only decisions on units have violated a rule. */
  problem(limits: readonly ReportedLimit[]): QuotaProblem {
    const { rules } = this.#bindingRules(limits);
    const violated = rules.filter((_, index) => !limits[index]?.decision?.allowed);
    return {
      type: "https://iana.org/assignments/http-problem-types#quota-exceeded",
      title: "Request cannot be satisfied as assigned quota has been exceeded",
      status: 429,
      "violated-policies": violated.flatMap((rule) => rule?.name ?? []),
      retry_after_ms: (mostBindingOf(limits) as Decision).retryAfterMs,
    };
  }

  #bindingRules(limits: readonly ReportedLimit[]): BindingRules {
    const added: NamedRule[] = [];
    const isUsed = (name: string) =>
      added.some((rule) => rule.name === name) || this.#limits.some((rules) => rules.hasName(name));
    const rules = limits.map(({ decision, isCounted }, index) => {
      if (!decision || !isCounted) {
        return undefined;
      }
      const named = this.#limits[index] as NamedRules;
      const listed = named.find(decision);
      if (listed) {
        return listed;
      }
      const rule = named.unlisted(decision, isUsed);
      added.push(rule);
      return rule;
    });
    if (!added.length) {
      return { rules, policy: this.#policy };
    }
    const policy = [this.#policy, policyField(added)].filter(Boolean).join(", ");
    return { rules, policy };
  }
}

/** The value of `RateLimit`. No time is later than `maxMs`. */
function items(
  limits: readonly ReportedLimit[],
  rules: readonly (NamedRule | undefined)[],
  maxMs: number,
): string {
  let value = "";
  for (const [index, rule] of rules.entries()) {
    const decision = limits[index]?.decision;
    if (rule && decision) {
      const seconds = fieldSeconds(Math.min(effectiveMs(decision), maxMs));
      value += `${value && ", "}${rule.field};r=${fieldInteger(decision.remaining)};t=${seconds}`;
    }
  }
  return value;
}

function effectiveMs({ allowed, retryAfterMs, resetAfterMs, windowMs }: Decision): number {
  if (allowed) {
    return resetAfterMs;
  }
  // A shorter time would invite a client that can never be allowed.
  return retryAfterMs ?? (resetAfterMs || windowMs);
}
