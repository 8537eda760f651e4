export * from "../http/index.ts";
export { type FastifyOptions, type RouteLimits, rateLimit } from "./rate-limit.ts";
