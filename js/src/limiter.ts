import type { Decision } from "./decision.ts";
import type { CheckOptions } from "./local-limiter.ts";
import type { Rules } from "./rules.ts";

/** One of several checks: a key and its rules. */
export interface Check {
  readonly key: string;
  readonly rules: string | Rules;
}

/** Decides checks, in this process or at a server. */
export interface Limiter {
  /** Decides a check of a key, and records its units if it is allowed. */
  check(key: string, rules: string | Rules, options?: CheckOptions): Decision | Promise<Decision>;

  /** Decides checks of several keys: the units of all are recorded, or none. Returns the decisions in order. */
  checkAll(
    checks: readonly Check[],
    options?: CheckOptions,
  ): readonly Decision[] | Promise<readonly Decision[]>;

  /** Takes the newest units of a key back. Returns how many there were, at most the cost. */
  refund(key: string, options?: CheckOptions): number | Promise<number>;
}
