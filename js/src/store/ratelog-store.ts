import type { Decision } from "../decision.ts";
import type { Limiter } from "../limiter.ts";
import { isRecorded, type SourcedDecision } from "../recorded.ts";
import type { Rule } from "../rule.ts";
import { Rules } from "../rules.ts";

/** Options of {@link RatelogStore}. */
export interface RatelogStoreOptions {
  /** Decides the checks. */
  readonly limiter: Limiter;
  /** The prefix of all keys. Each middleware that counts by itself needs its own. Default: `ratelog:`. */
  readonly prefix?: string;
  /** The highest limit, in hits, if the middleware's `limit` is a function. Default: the `limit` of the middleware. */
  readonly limit?: number;
}

/** The parts of a middleware's options that the store reads. */
export interface MiddlewareOptions {
  readonly windowMs: number;
  readonly limit?: unknown;
  /** The former name of `limit`. */
  readonly max?: unknown;
  readonly skipFailedRequests?: boolean;
  readonly skipSuccessfulRequests?: boolean;
  /** The status of denied requests. */
  readonly statusCode?: unknown;
  readonly requestWasSuccessful?: unknown;
}

/** The hits of a client, as the middleware understand them. */
export interface StoreHits {
  /** The hits in the window. One more than the limit for a denied request. */
  totalHits: number;
  /** When a denied client is allowed again, and else when its window is empty. */
  resetTime: Date;
}

/** The denied hits of a client. */
interface DeniedHits {
  readonly count: number;
  /** Milliseconds since the Unix epoch. */
  readonly until: number;
}

/** The number of keys whose hits are remembered. */
const MAX_KEYS = 100_000;

/**
 * A store for express-rate-limit 8 and hono-rate-limiter 0.5 that counts in an exact log. Each middleware needs a store of
 * its own.
 *
 * ```ts
 * app.use(rateLimit({ windowMs: 60_000, limit: 100, store: new RatelogStore({ limiter }) }));
 * ```
 *
 * It differs from other stores: the window slides, and a denied request is not counted.
 */
export class RatelogStore {
  /** The prefix of all keys. */
  readonly prefix: string;
  /** Hits of one store are seen by others with the same prefix. */
  readonly localKeys: boolean = false;
  readonly #limiter: Limiter;
  readonly #limit: number | undefined;
  /** The denied hits that the middleware will take back. */
  readonly #denied: Map<string, DeniedHits> = new Map();
  /** The newest allowed hits, if the middleware takes hits back. */
  readonly #allowed: Map<string, SourcedDecision> = new Map();
  #rules: Rules | undefined;
  #takesBack = false;
  /** Whether the middleware takes denied hits back, though they were not counted. */
  #takesDeniedBack = false;

  constructor({ limiter, prefix = "ratelog:", limit }: RatelogStoreOptions) {
    this.prefix = prefix;
    this.#limiter = limiter;
    this.#limit = limit;
  }

  /**
   * Is called by the middleware with its options.
   *
   * @throws {TypeError} The limit of the middleware is a function, and the store has no limit.
   * @throws {RangeError} The limit or the window is out of range.
   */
  init(options: MiddlewareOptions): void {
    const limit = this.#limit ?? options.limit ?? options.max;
    if (typeof limit !== "number") {
      throw new TypeError(
        "a store cannot call the function limit of the middleware: pass its highest limit to RatelogStore",
      );
    }
    this.#rules = Rules.of({ limit, windowMs: options.windowMs });
    this.#takesBack = !!options.skipFailedRequests || !!options.skipSuccessfulRequests;
    this.#takesDeniedBack = takesDeniedBack(options);
  }

  /** Checks a hit of a client, and records it if it is allowed. Rejects with the limiter's error. */
  async increment(key: string): Promise<StoreHits> {
    const decision = await this.#limiter.check(this.prefix + key, this.#initialized());
    if (!decision.allowed) {
      // Otherwise it would free a hit that was counted.
      if (this.#takesDeniedBack) {
        this.#setDenied(key, this.#deniedHits(key) + 1);
      }
      return hits(decision, Math.max(decision.limit, this.#ownLimit()) + 1);
    }
    if (this.#takesBack) {
      remember(this.#allowed, key, decision);
    }
    return this.#allowedHits(decision);
  }

  /**
   * Takes a hit of a client back where the newest one was counted, unless that one was not: an override and a fixed
   * fallback count nothing. If the limiter fails, the hit stays for its window: the request was served.
   */
  async decrement(key: string): Promise<void> {
    const denied = this.#deniedHits(key);
    if (denied > 0) {
      this.#setDenied(key, denied - 1);
      return;
    }
    const newest = this.#allowed.get(key);
    if (newest && !isRecorded(newest)) {
      return;
    }
    try {
      await this.#limiter.refund(this.prefix + key, newest?.source && { source: newest.source });
    } catch {
      // Some middleware would fail the request.
    }
  }

  /** Takes all hits of a client back. */
  async resetKey(key: string): Promise<void> {
    this.#denied.delete(key);
    this.#allowed.delete(key);
    const name = this.prefix + key;
    // An override may have allowed more than the middleware's limit.
    await (this.#limiter.reset?.(name) ??
      this.#limiter.refund(name, { cost: this.#ownLimit() || 1 }));
  }

  /** Returns the hits of a client; `undefined` if there are none, or if the limiter cannot say. */
  async get(key: string): Promise<StoreHits | undefined> {
    const decision = await this.#limiter.peek?.(this.prefix + key, this.#initialized());
    return decision && decision.resetAfterMs > 0 ? this.#allowedHits(decision) : undefined;
  }

  /** The middleware compares hits with its own limit, and an override or the fallback may have another one. */
  #allowedHits(decision: Decision): StoreHits {
    return hits(decision, Math.min(decision.limit - decision.remaining, this.#ownLimit()));
  }

  #ownLimit(): number {
    return (this.#initialized().list[0] as Rule).limit;
  }

  #initialized(): Rules {
    if (!this.#rules) {
      throw new TypeError(
        "the middleware did not initialize the store, or its limit is a function",
      );
    }
    return this.#rules;
  }

  #deniedHits(key: string): number {
    const { count, until } = this.#denied.get(key) ?? { count: 0, until: 0 };
    return Date.now() < until ? count : 0;
  }

  #setDenied(key: string, count: number): void {
    if (count === 0) {
      this.#denied.delete(key);
    } else {
      const until = Date.now() + this.#initialized().longestWindowMs;
      remember(this.#denied, key, { count, until });
    }
  }
}

/** Sets the value of a key. If there are too many, forgets the key that was set least recently. */
function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > MAX_KEYS) {
    map.delete(map.keys().next().value as string);
  }
}

/**
 * Whether the middleware takes a denied hit back. Both ask whether the request was successful: express-rate-limit after
 * the response, with the status of a denied request, and hono-rate-limiter before it, with the status 200.
 */
function takesDeniedBack(options: MiddlewareOptions): boolean {
  const { requestWasSuccessful, skipFailedRequests, skipSuccessfulRequests } = options;
  const isExpress = "legacyHeaders" in options;
  let isSuccessful: unknown;
  if (typeof requestWasSuccessful === "function") {
    try {
      isSuccessful = isExpress
        ? requestWasSuccessful({}, { statusCode: options.statusCode ?? 429 })
        : requestWasSuccessful({ res: { status: 200 } });
    } catch {
      // It needs more of the response: it is taken for the default.
    }
  }
  if (typeof isSuccessful !== "boolean") {
    isSuccessful = !isExpress;
  }
  return (isSuccessful ? skipSuccessfulRequests : skipFailedRequests) ?? false;
}

function hits(decision: Decision, totalHits: number): StoreHits {
  const waitMs = decision.allowed
    ? decision.resetAfterMs
    : (decision.retryAfterMs ?? decision.windowMs);
  return { totalHits, resetTime: new Date(Date.now() + waitMs) };
}
