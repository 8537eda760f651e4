import type { Decision } from "./decision.ts";
import type { Source } from "./limiter.ts";

/** A decision, and what made it, where the limiter says so. */
export type SourcedDecision = Decision & { readonly source?: Source };

/**
 * Returns whether the units of a check are recorded. An override, a shadow policy and a fixed fallback allow checks that
 * record nothing; and units that were just recorded stay for the whole window. Of two checks in one millisecond that
 * a policy in shadow mode allows, the reply does not say which one is recorded.
 */
export function isRecorded({ allowed, source, resetAfterMs, windowMs }: SourcedDecision): boolean {
  return allowed && source !== "fallback" && resetAfterMs >= windowMs;
}

/** Returns an allowed decision as it would be if its units had not been recorded. */
export function unrecorded<D extends Decision>(decision: D, cost: number): D {
  return { ...decision, remaining: Math.min(decision.limit, decision.remaining + cost) };
}
