export * from "../http/index.ts";
export { type ExpressOptions, rateLimit } from "./rate-limit.ts";
