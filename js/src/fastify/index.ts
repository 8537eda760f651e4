export type {
  Denial,
  HeaderFamily,
  LimitOptions,
  ProxyHeader,
  QuotaProblem,
  RequestChecks,
  ResponseHead,
} from "../http/index.ts";
export { hashed } from "../http/keys.ts";
export { checksOf } from "../http/request-checks.ts";
export { type FastifyOptions, type RouteLimits, rateLimit } from "./rate-limit.ts";
