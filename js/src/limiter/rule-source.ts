import type { PolicyReference } from "../limiter.ts";
import type { Rules } from "../rules.ts";

/** A rule source after its text is parsed. */
export type ParsedSource = Rules | PolicyReference;

/** Whether the rules of a policy deny checks, or, in shadow mode, only count what they would deny. */
export type Mode = "enforce" | "shadow";

/** Rules, and the mode of the policy that they come from. */
export interface ResolvedRules {
  readonly rules: Rules;
  readonly mode: Mode;
}

/** Returns the name of the policy, if the source is one. */
export function policyOf(source: ParsedSource): string | undefined {
  return "policy" in source ? source.policy : undefined;
}
