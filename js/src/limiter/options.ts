import { validateOneOf } from "../arguments.ts";
import { MAX_LIMIT } from "../rule.ts";
import type { Rules } from "../rules.ts";
import type { Backend } from "./dialect.ts";
import type { Fallback } from "./engine.ts";
import type { LimiterEvent } from "./events.ts";

/** Options of a {@link RateLimiter}. */
export interface RateLimiterOptions {
  /** Is put before each key. Default: none. */
  readonly prefix?: string;
  /** The maximum time that a check waits for the server, in milliseconds. Default: 100. */
  readonly timeoutMs?: number;
  /** How checks are decided while the server is unavailable. Default: `"local"`. */
  readonly fallback?: Fallback;
  /** The number of processes that share each limit in the fallback `"local"`, and without a server. Default: 1. */
  readonly instances?: number;
  /** The maximum memory of the fallback `"local"` in bytes, approximately. Default: 64 MiB. */
  readonly localMaxBytes?: number;
  /**
   * The number of checks in a row without an answer that open the circuit breaker. A lost connection opens it at once.
   * Default: 5.
   */
  readonly failureThreshold?: number;
  /**
   * The wait after the first failed probe, in milliseconds. Each wait is twice as long as the one before. Default: 100, or
   * the maximum if that is less.
   */
  readonly probeMinIntervalMs?: number;
  /** The maximum wait between two probes in milliseconds, before jitter, which at most doubles it. Default: 5,000. */
  readonly probeMaxIntervalMs?: number;
  /**
   * Caches the denials of checks of at most this many keys until their retry-after, under a policy for a second at most. A
   * refund, a reset or an override by another process does not end a cached denial. Default: 0, no cache.
   */
  readonly denyCache?: number;
  /**
   * Policies for decisions without the module. Others are fetched from the server when they are used. A value is rules.
   */
  readonly policies?: Readonly<Record<string, string | Rules>>;
  /** `"auto"`: the module if the server has it, otherwise the script. Default: `"auto"`. */
  readonly backend?: Backend;
  /** Is called at each event. Default: writes to the console. */
  readonly onEvent?: (event: LimiterEvent) => void;
  /**
   * Returns the time in milliseconds since the Unix epoch, for decisions in this process and the deny cache. Default: the
   * system's time at the start of the process, and the time that passed since then.
   */
  readonly now?: () => number;
}

/**
 * Checks the values of options.
 *
 * @throws {RangeError} An option is out of range, or is none of its allowed values.
 */
export function validateOptions(options: RateLimiterOptions): void {
  const atLeast = (name: keyof RateLimiterOptions, min: number, max: number) => {
    const value = options[name];
    if (value === undefined) {
      return;
    }
    if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
      throw new RangeError(`${name} must be an integer from ${min} to ${max}, not ${value}`);
    }
  };
  validateOneOf("fallback", options.fallback ?? "local", ["local", "allow", "deny", "error"]);
  validateOneOf("backend", options.backend ?? "auto", ["auto", "module", "script"]);
  atLeast("timeoutMs", 1, MAX_TIMER_MS);
  atLeast("instances", 1, MAX_LIMIT);
  atLeast("failureThreshold", 1, Number.MAX_SAFE_INTEGER);
  atLeast("denyCache", 0, MAX_CACHED_KEYS);
  atLeast("probeMinIntervalMs", 1, MAX_TIMER_MS / 2);
  atLeast("probeMaxIntervalMs", options.probeMinIntervalMs ?? 1, MAX_TIMER_MS / 2);
}

/** The longest time of a timer. */
const MAX_TIMER_MS = 2 ** 31 - 2;
/** The largest size of a `Map`. */
const MAX_CACHED_KEYS = 2 ** 24 - 1;
