export * from "../http/index.ts";
export {
  type CheckedRequest,
  type RequestContext,
  rateLimit,
  type WebOptions,
} from "./rate-limit.ts";
