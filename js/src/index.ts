export type { Decision } from "./decision.ts";
export type { Check, CheckOptions, Limiter, PolicyReference, RuleSource } from "./limiter.ts";
export { LocalLimiter, type LocalLimiterOptions } from "./local-limiter.ts";
export { ParseRulesError } from "./parse-rules-error.ts";
export type { Rule } from "./rule.ts";
export { Rules } from "./rules.ts";
