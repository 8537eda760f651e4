import type { Decision } from "../decision.ts";

/**
 * The decision that a response reports: the denial with the longest retry-after, or, if all are allowed, the decision
 * with the least remaining. The first wins a tie.
 */
export function mostBinding<T extends Decision>(decisions: readonly [T, ...T[]]): T {
  return decisions.reduce((best, next) => (bindsMore(next, best) ? next : best));
}

function bindsMore(one: Decision, other: Decision): boolean {
  if (one.allowed || other.allowed) {
    return other.allowed && (!one.allowed || one.remaining < other.remaining);
  }
  return (one.retryAfterMs ?? Infinity) > (other.retryAfterMs ?? Infinity);
}
