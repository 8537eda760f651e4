import type { Log } from "./log.ts";
import type { Rule } from "./rule.ts";
import type { Rules } from "./rules.ts";

/**
 * The outcome of a check. It is about the binding rule: when denied, the one with the longest wait; when allowed, the
 * one with the least remaining. The first rule wins a tie.
 */
export interface Decision {
  /** Whether the check is allowed. */
  readonly allowed: boolean;
  /** The limit of the binding rule, in units. */
  readonly limit: number;
  /** The units that remain under the binding rule. */
  readonly remaining: number;
  /**
   * The milliseconds after which a check of the same cost is allowed if nothing else is recorded: 0 if it is allowed
   * now, and `null` if it never is, because the cost exceeds the limit.
   */
  readonly retryAfterMs: number | null;
  /** The milliseconds until the window of the binding rule is empty if nothing else is recorded. */
  readonly resetAfterMs: number;
  /** The window of the binding rule, in milliseconds. */
  readonly windowMs: number;
}

/** Decides a check of `cost` at `now` and records its units if it is allowed. */
export function check(log: Log, now: number, rules: Rules, cost: number): Decision {
  const decision = peek(log, now, rules, cost);
  if (!decision.allowed) {
    log.shift(now);
    return decision;
  }
  log.record(now, cost, rules.longestWindowMs);
  return {
    allowed: true,
    limit: decision.limit,
    remaining: decision.remaining - cost,
    retryAfterMs: 0,
    resetAfterMs: decision.windowMs,
    windowMs: decision.windowMs,
  };
}

/** Returns the decision that a check of `cost` at `now` would get on the current log. */
export function peek(log: Log, now: number, rules: Rules, cost: number): Decision {
  let binding: Rule | undefined;
  let bindingRemaining = 0;
  let bindingRetryAfter = 0;
  for (const rule of rules.list) {
    const { limit, windowMs } = rule;
    const start = log.windowStart(now, windowMs);
    const used = log.unitsFrom(start);
    const remaining = Math.max(0, limit - used);
    const excess = used + cost - limit;
    let retryAfter = 0;
    if (excess > 0) {
      retryAfter = cost > limit ? Infinity : log.timeUntilGone(now, windowMs, start, excess);
    }
    const binds =
      retryAfter || bindingRetryAfter
        ? retryAfter > bindingRetryAfter
        : remaining < bindingRemaining;
    if (!binding || binds) {
      binding = rule;
      bindingRemaining = remaining;
      bindingRetryAfter = retryAfter;
    }
  }
  const { limit, windowMs } = binding as Rule;
  return {
    allowed: bindingRetryAfter === 0,
    limit,
    remaining: bindingRemaining,
    retryAfterMs: bindingRetryAfter === Infinity ? null : bindingRetryAfter,
    resetAfterMs: log.resetAfter(now, windowMs),
    windowMs,
  };
}
