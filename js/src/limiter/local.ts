import type { Decision } from "../decision.ts";
import type { LocalLimiter } from "../local-limiter.ts";
import { Rules } from "../rules.ts";
import type { LimiterDecision } from "./limiter-decision.ts";

/** A key and the rules of its check. */
export interface KeyRules {
  readonly key: string;
  readonly rules: Rules;
}

/**
 * A limiter in this process, one of several processes that share each limit. Each grants an equal share of a limit,
 * rounded down, and at least one unit, unless the limit is zero.
 */
export class Local {
  readonly #limiter: LocalLimiter;
  readonly #instances: number;

  constructor(limiter: LocalLimiter, instances: number) {
    this.#limiter = limiter;
    this.#instances = instances;
  }

  check(key: string, rules: Rules, cost: number): LimiterDecision {
    return local(this.#limiter.check(key, this.#share(rules), { cost }));
  }

  peek(key: string, rules: Rules, cost: number): LimiterDecision {
    return local(this.#limiter.peek(key, this.#share(rules), { cost }));
  }

  /** Checks several keys, all or nothing. */
  checkAll(checks: readonly KeyRules[], cost: number): LimiterDecision[] {
    const shares = checks.map(({ key, rules }) => ({ key, rules: this.#share(rules) }));
    return this.#limiter.checkAll(shares, { cost }).map(local);
  }

  refund(key: string, cost: number): number {
    return this.#limiter.refund(key, { cost });
  }

  reset(key: string): number {
    return this.#limiter.reset(key);
  }

  #share(rules: Rules): Rules {
    if (this.#instances === 1) {
      return rules;
    }
    const share = (limit: number) => limit && Math.max(1, Math.floor(limit / this.#instances));
    return Rules.of(
      ...rules.list.map(({ limit, windowMs }) => ({ limit: share(limit), windowMs })),
    );
  }
}

function local(decision: Decision): LimiterDecision {
  return { ...decision, source: "local" };
}
