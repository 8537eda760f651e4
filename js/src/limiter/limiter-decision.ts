import type { Decision } from "../decision.ts";
import type { Source } from "../limiter.ts";
import type { Mode } from "./rule-source.ts";

/** The decision of a {@link RateLimiter}, and what made it. */
export interface LimiterDecision extends Decision {
  readonly source: Source;
}

/** Returns the decision as the mode of its policy has it: in shadow mode a denial is allowed. */
export function applyMode(mode: Mode, decision: LimiterDecision): LimiterDecision {
  if (mode === "enforce" || decision.allowed) {
    return decision;
  }
  return { ...decision, allowed: true, retryAfterMs: 0 };
}
