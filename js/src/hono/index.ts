export * from "../http/index.ts";
export { type HonoOptions, rateLimit } from "./rate-limit.ts";
