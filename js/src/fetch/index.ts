export { type RetryHint, readRetryHint } from "./retry-hint.ts";
