import type { Decision } from "../decision.ts";

/**
 * The decision that a response reports: the denial with the longest retry-after, or, if all are allowed, the decision
 * with the least remaining. The first wins a tie. `undefined` if there is none.
 */
export function mostBindingOf(
  limits: readonly { readonly decision: Decision | undefined }[],
): Decision | undefined {
  let best: Decision | undefined;
  for (const { decision } of limits) {
    if (decision && (!best || bindsMore(decision, best))) {
      best = decision;
    }
  }
  return best;
}

function bindsMore(one: Decision, other: Decision): boolean {
  if (one.allowed || other.allowed) {
    return other.allowed && (!one.allowed || one.remaining < other.remaining);
  }
  return (one.retryAfterMs ?? Infinity) > (other.retryAfterMs ?? Infinity);
}
