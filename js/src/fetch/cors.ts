/** The origins that are named in the console. */
const warned = new Set<string>();
/** The number of origins that are named at most. */
const MAX_WARNED = 100;

/**
 * Warns in the console, once for each origin, if no header of a denied response says how long to wait. The headers are
 * those of another origin, of which scripts see only those that the server exposes.
 */
export function warnUnlessReadable(origin: string, headers: Headers): void {
  if (
    warned.size < MAX_WARNED &&
    !warned.has(origin) &&
    ![...headers.keys()].some((name) => /retry-after|ratelimit/.test(name))
  ) {
    warned.add(origin);
    console.warn(
      `ratelog: ${origin} denied a request, but does not expose how long to wait. It must send "Access-Control-Expose-Headers: Retry-After, RateLimit".`,
    );
  }
}
