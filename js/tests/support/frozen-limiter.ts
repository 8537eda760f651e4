import { LocalLimiter, type LocalLimiterOptions } from "../../src/index.ts";

/** A limiter whose clock stands still, so that the numbers in headers do not depend on the speed of the machine. */
export function frozenLimiter(options: LocalLimiterOptions = {}): LocalLimiter {
  return new LocalLimiter({ now: () => 1_700_000_000_000, ...options });
}
