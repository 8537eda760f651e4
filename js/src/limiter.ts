import type { Decision } from "./decision.ts";
import type { Rules } from "./rules.ts";

/** The name of a policy: rules that are stored under a name. */
export interface PolicyReference {
  readonly policy: string;
}

/** Rules, as text or parsed, or a policy that has them. */
export type RuleSource = string | Rules | PolicyReference;

/** Options of a check. */
export interface CheckOptions {
  /** The units that the check uses, an integer from 1 on. Default: 1. */
  readonly cost?: number;
}

/**
 * The part of the system that made a decision: the `module` in the server; the `script`, in a server without the module;
 * the `deny-cache`, with a denial by the server that is still valid; the `local` limiter in this process; or the
 * `fallback`, which counts nothing.
 */
export type Source = "module" | "script" | "deny-cache" | "local" | "fallback";

/** Options of a refund. */
export interface RefundOptions extends CheckOptions {
  /**
   * The `source` of the decision that recorded the units. They are then taken back there, also after an outage has begun
   * or ended. Default: where a check would be decided now.
   */
  readonly source?: Source;
}

/** A key and its rules, for a check of several keys. */
export interface Check {
  readonly key: string;
  readonly rules: RuleSource;
}

/** A limiter, in this process or with a server. The middleware and the store work with any. */
export interface Limiter {
  /** Decides a check of a key, and records its units if it is allowed. */
  check(key: string, rules: RuleSource, options?: CheckOptions): Decision | Promise<Decision>;
  /** Checks several keys, all or nothing: the units are recorded on every key or on none. Returns a decision for each. */
  checkAll(
    checks: readonly Check[],
    options?: CheckOptions,
  ): readonly Decision[] | Promise<readonly Decision[]>;
  /** Returns the decision that a check would get, and records nothing. Without it, a request with a cost of 0 is checked. */
  peek?(key: string, rules: RuleSource, options?: CheckOptions): Decision | Promise<Decision>;
  /** Takes the newest units of a key back. Returns how many there were, at most `cost`. */
  refund(key: string, options?: RefundOptions): number | Promise<number>;
  /** Forgets the units of a key. Returns their number. Without it, a store takes back at most its limit. */
  reset?(key: string): number | Promise<number>;
}
