import { parseRateLimit } from "./ratelimit-field.ts";
import {
  parseHttpDate,
  parseReset,
  parseRetryAfter,
  parseUnits,
  type RetryTime,
} from "./retry-after.ts";

/** The retry information in the headers of a response. */
export interface RetryHint {
  /** The wait in `Retry-After`, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** The least that remains of any limit, in units. */
  readonly remaining: number | undefined;
  /**
   * How long no more remains, in milliseconds: the longest reset of the limits of which the least remains. `undefined` if
   * the headers do not say how long.
   */
  readonly resetMs: number | undefined;
}

/**
 * Reads the headers of a response that was received at `nowMs`, in milliseconds since the Unix epoch. The names are in
 * lower case, as those of `Headers` are.
 *
 * Three families of headers are read. The first that gives a wait is used:
 *
 * 1. `Retry-After` (RFC 9110): seconds, or an HTTP date.
 * 2. `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11): a Structured Field List of items with `r` and `t`.
 * 3. `X-RateLimit-Remaining` and `X-RateLimit-Reset`, with or without `X-`. Servers disagree on the unit of the reset:
 *    a value under 10^9 is read as seconds to wait, a value under 10^12 as a Unix time in seconds, and a greater value
 *    as a Unix time in milliseconds.
 *
 * A date is compared with the response's own `Date`, so a wrong clock on either side does no harm. Malformed headers
 * are ignored. A wait has no upper bound.
 */
export function readRetryHint(
  headers: Iterable<readonly [string, string]>,
  nowMs: number,
): RetryHint {
  let now = nowMs;
  let units: number[] = [];
  let resets: RetryTime[] = [];
  const retryAfter: RetryTime[] = [];
  const rateLimit: string[] = [];
  for (const [name, value] of headers) {
    switch (name.replace(/^x-(?=ratelimit-)/, "")) {
      case "date":
        now = parseHttpDate(value) ?? nowMs;
        break;
      case "retry-after":
        pushDefined(retryAfter, parseRetryAfter(value));
        break;
      case "ratelimit":
        rateLimit.push(value);
        break;
      case "ratelimit-remaining":
        pushDefined(units, parseUnits(value));
        break;
      case "ratelimit-reset":
        pushDefined(resets, parseReset(value));
    }
  }
  const items = parseRateLimit(rateLimit.join());
  if (items.length) {
    units = items.map((item) => item.remaining);
    const fewest = Math.min(...units);
    resets = items.flatMap((item) =>
      item.remaining === fewest && item.resetMs !== undefined ? { after: item.resetMs } : [],
    );
  }
  return {
    retryAfterMs: longest(retryAfter, now),
    remaining: units.length ? Math.min(...units) : undefined,
    resetMs: units.length ? longest(resets, now) : undefined,
  };
}

/** Returns how long nothing remains, in milliseconds; `undefined` if something does, or if that is not known. */
export function exhaustedForMs({ remaining, resetMs }: RetryHint): number | undefined {
  return remaining ? undefined : resetMs;
}

function pushDefined<T>(list: T[], value: T | undefined): void {
  if (value !== undefined) {
    list.push(value);
  }
}

/** The longest wait from `now`; zero if all ends are past. */
function longest(times: readonly RetryTime[], now: number): number | undefined {
  return times.length
    ? Math.max(0, ...times.map((time) => ("at" in time ? time.at - now : time.after)))
    : undefined;
}
