import { validateOneOf } from "../arguments.ts";

/**
 * The headers that report decisions: those of draft-ietf-httpapi-ratelimit-headers-11, the `X-RateLimit` headers with
 * the reset in seconds from now or as a Unix time in seconds, `draft-11` and `x-ratelimit` together, or none. A denied
 * request has `Retry-After` with each.
 */
export type HeaderFamily = "draft-11" | "x-ratelimit" | "x-ratelimit-epoch" | "both" | "none";

const FAMILIES: readonly HeaderFamily[] = [
  "draft-11",
  "x-ratelimit",
  "x-ratelimit-epoch",
  "both",
  "none",
];

/** @throws {RangeError} for a text that is no family. */
export function validFamily(family: HeaderFamily): HeaderFamily {
  return validateOneOf("headers", family, FAMILIES);
}
