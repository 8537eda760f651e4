import type { Decision } from "../decision.ts";
import type { Rule } from "../rule.ts";
import type { HeaderFamily } from "./header-family.ts";
import { mostBinding } from "./most-binding.ts";
import { type NamedRule, type NamedRules, policyField } from "./named-rules.ts";
import { fieldInteger, fieldSeconds, fieldString } from "./structured-fields.ts";

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

/** The rules that decisions report. */
interface BindingRules {
  /** The name of each. */
  readonly names: readonly string[];
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
   * The headers of a response that is sent at `nowMs`, in milliseconds since the Unix epoch.
   *
   * `RateLimit` has one item for each limit: its binding rule. `t` is the time until a denied request is allowed, or
   * else until the window is empty, in seconds, rounded up; the window, if it is empty and the request is denied. The other headers report the most binding decision. There is
   * no `Retry-After` if the request can never be allowed.
   */
  headers(family: HeaderFamily, decisions: Decisions, nowMs: number): Field[] {
    const fields: Field[] = [];
    const decision = mostBinding(decisions);
    if (family === "draft-11" || family === "both") {
      const { names, policy } = this.#bindingRules(decisions);
      const items = decisions.map(
        (one, index) =>
          `${fieldString(names[index] as string)};r=${fieldInteger(one.remaining)};t=${fieldSeconds(effectiveMs(one))}`,
      );
      fields.push(["ratelimit-policy", policy], ["ratelimit", items.join(", ")]);
    }
    if (family !== "draft-11" && family !== "none") {
      const wait = effectiveMs(decision);
      const isEpoch = family === "x-ratelimit-epoch";
      const reset = fieldSeconds(isEpoch ? Math.floor(nowMs) + Math.max(1, wait) : wait);
      fields.push(
        ["x-ratelimit-limit", `${decision.limit}`],
        ["x-ratelimit-remaining", `${fieldInteger(decision.remaining)}`],
        ["x-ratelimit-reset", `${reset}`],
      );
    }
    if (!decision.allowed && decision.retryAfterMs !== null) {
      fields.push(["retry-after", `${fieldSeconds(decision.retryAfterMs)}`]);
    }
    return fields;
  }

  /** The problem details of a denied request. */
  problem(decisions: Decisions): QuotaProblem {
    const { names } = this.#bindingRules(decisions);
    return {
      type: "https://iana.org/assignments/http-problem-types#quota-exceeded",
      title: "Request cannot be satisfied as assigned quota has been exceeded",
      status: 429,
      "violated-policies": names.filter((_, index) => !decisions[index]?.allowed),
      retry_after_ms: mostBinding(decisions).retryAfterMs,
    };
  }

  #bindingRules(decisions: Decisions): BindingRules {
    const added: NamedRule[] = [];
    const isUsed = (name: string) =>
      added.some((rule) => rule.name === name) || this.#limits.some((rules) => rules.hasName(name));
    const names = this.#limits.map((rules, index) => {
      const { limit, windowMs } = decisions[index] as Decision;
      const rule: Rule = { limit, windowMs };
      const listed = rules.nameOf(rule);
      if (listed !== undefined) {
        return listed;
      }
      const name = rules.unlistedName(rule, isUsed);
      added.push({ name, rule });
      return name;
    });
    if (!added.length) {
      return { names, policy: this.#policy };
    }
    const policy = [this.#policy, policyField(added)].filter(Boolean).join(", ");
    return { names, policy };
  }
}

function effectiveMs({ allowed, retryAfterMs, resetAfterMs, windowMs }: Decision): number {
  if (allowed) {
    return resetAfterMs;
  }
  // A shorter time would invite a client that can never be allowed.
  return retryAfterMs ?? (resetAfterMs || windowMs);
}
