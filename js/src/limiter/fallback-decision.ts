import type { Rules } from "../rules.ts";
import type { LimiterDecision } from "./limiter-decision.ts";

/** The outcome of a check that is decided without a log. `"allow"`, or the wait that a denial reports. */
export type FixedOutcome = "allow" | { readonly retryAfterMs: number };

/** Returns a decision without a log. It reports the first rule; if the rules are not known, `cost` units a second. */
export function fallbackDecision(
  outcome: FixedOutcome,
  rules: Rules | undefined,
  cost: number,
): LimiterDecision {
  const { limit, windowMs } = rules?.list[0] ?? { limit: cost, windowMs: 1000 };
  const common = { limit, windowMs, source: "fallback" } as const;
  if (outcome === "allow") {
    const remaining = Math.max(0, limit - cost);
    return { allowed: true, ...common, remaining, retryAfterMs: 0, resetAfterMs: windowMs };
  }
  const { retryAfterMs } = outcome;
  return { allowed: false, ...common, remaining: 0, retryAfterMs, resetAfterMs: retryAfterMs };
}
