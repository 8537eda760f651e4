import type { Decision } from "../decision.ts";
import type { Mode } from "./rule-source.ts";

/**
 * The part of the system that made a decision: the `module` in the server; the `script`, in a server without the module;
 * the `deny-cache`, with a denial by the server that is still valid; the `local` limiter in this process; or the
 * `fallback`, which counts nothing.
 */
export type Source = "module" | "script" | "deny-cache" | "local" | "fallback";

/** The decision of a {@link RateLimiter}, and what made it. */
export interface LimiterDecision extends Decision {
  readonly source: Source;
}

/** Returns whether the units of a check are recorded. */
export function isRecorded({ allowed, source }: LimiterDecision): boolean {
  return allowed && source !== "fallback";
}

/** Returns an allowed decision as it would be if its units had not been recorded. */
export function unrecorded(decision: LimiterDecision, cost: number): LimiterDecision {
  const remaining = Math.min(decision.remaining + cost, decision.limit);
  return { ...decision, remaining };
}

/** Returns the decision as the mode of its policy has it: in shadow mode a denial is allowed. */
export function applyMode(mode: Mode, decision: LimiterDecision): LimiterDecision {
  if (mode === "enforce" || decision.allowed) {
    return decision;
  }
  return { ...decision, allowed: true, retryAfterMs: 0 };
}
