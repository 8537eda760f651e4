/** The time at which a wait ends, in milliseconds: from now on, or since the Unix epoch. */
export type RetryTime = { readonly after: number } | { readonly at: number };

/** Parses the value of `Retry-After`: seconds, or an HTTP date. */
export function parseRetryAfter(value: string): RetryTime | undefined {
  const seconds = parseUnits(value);
  if (seconds !== undefined) {
    return { after: seconds * 1000 };
  }
  const at = parseHttpDate(value);
  return at === undefined ? undefined : { at };
}

/**
 * Parses the value of `X-RateLimit-Reset`: seconds, or a Unix time in seconds or milliseconds. Some servers write a
 * fraction, which is rounded up.
 */
export function parseReset(value: string): RetryTime | undefined {
  const [, whole, fraction] = /^(\d+)(?:\.(\d+))?$/.exec(value) ?? [];
  if (whole === undefined) {
    return undefined;
  }
  const reset = Number(whole) + (Number(fraction) > 0 ? 1 : 0);
  if (reset < 1e9) {
    return { after: reset * 1000 };
  }
  return { at: reset < 1e12 ? reset * 1000 : reset };
}

/** Parses ASCII digits. */
export function parseUnits(value: string): number | undefined {
  return /^\d+$/.test(value) ? Number(value) : undefined;
}

/**
 * Parses an HTTP date in one of the three formats of RFC 9110, section 5.6.7, to milliseconds since the Unix epoch.
 *
 * `Date.parse` accepts much more, so the result must produce the same text again.
 */
export function parseHttpDate(value: string): number | undefined {
  const date = value
    // Friday, 15-Jan-27 08:00:09 GMT
    .replace(
      /^(Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (\d\d)-(\w{3})-(\d\d) /,
      (_, weekday, day, month, year) =>
        `${weekday.slice(0, 3)}, ${day} ${month} ${year < 70 ? 20 : 19}${year} `,
    )
    // Fri Jan 15 08:00:09 2027
    .replace(
      /^(\w{3}) (\w{3}) ([ \d])(\d) (\S+) (\d{4})$/,
      (_, weekday, month, tens, ones, time, year) =>
        `${weekday}, ${Number(tens)}${ones} ${month} ${year} ${time} GMT`,
    );
  const time = new Date(date);
  return time.getTime() >= 0 && time.toUTCString() === date ? time.getTime() : undefined;
}
