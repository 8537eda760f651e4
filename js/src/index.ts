export type { Client } from "./clients/detect.ts";
export type { Decision } from "./decision.ts";
export type { BreakerState } from "./limiter/breaker.ts";
export type { Backend } from "./limiter/dialect.ts";
export type { Fallback } from "./limiter/engine.ts";
export { LimiterError, type LimiterErrorCode } from "./limiter/errors.ts";
export type { LimiterEvent } from "./limiter/events.ts";
export type { Explanation } from "./limiter/explanation.ts";
export type { Health, ShardHealth } from "./limiter/health.ts";
export type { Hit, HitsOptions, TopKey } from "./limiter/key-lists.ts";
export type { LimiterDecision } from "./limiter/limiter-decision.ts";
export type { RateLimiterOptions } from "./limiter/options.ts";
export type {
  KeyOverride,
  ListedOverride,
  Override,
  OverrideAdmin,
} from "./limiter/override-admin.ts";
export type { Policy, PolicyAdmin } from "./limiter/policy-admin.ts";
export { RateLimiter } from "./limiter/rate-limiter.ts";
export type { Mode } from "./limiter/rule-source.ts";
export type { Counts, Stats } from "./limiter/stats.ts";
export type {
  Check,
  CheckOptions,
  Limiter,
  PolicyReference,
  RefundOptions,
  RuleSource,
  Source,
} from "./limiter.ts";
export { LocalLimiter, type LocalLimiterOptions } from "./local-limiter.ts";
export { ParseRulesError } from "./parse-rules-error.ts";
export type { Rule } from "./rule.ts";
export { Rules } from "./rules.ts";
