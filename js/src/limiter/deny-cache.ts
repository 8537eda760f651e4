import { hashSlot, SLOT_COUNT } from "./hash-slot.ts";
import type { LimiterDecision } from "./limiter-decision.ts";
import type { CheckOp } from "./operation.ts";
import { policyOf } from "./rule-source.ts";

/** How long a denial under a policy is valid at most, because the policy may change at any time. */
const MAX_POLICY_AGE_MS = 1000;

interface CachedDenial {
  /** The check that was denied. */
  readonly check: string;
  readonly decision: LimiterDecision;
  readonly validUntil: number;
  /** The wait that the decision reports. */
  readonly retryAfterMs: number;
  /** The end of that wait. */
  readonly retryAt: number;
}

/** The version of a key, and when it was read. */
export interface KeyVersion {
  readonly version: number;
  readonly readAt: number;
}

/**
 * Denials that are still valid, so that a client that hammers a limit causes no round trips: one for each key, for at most
 * `capacity` keys, of which those that were read least recently are evicted.
 *
 * A denial is valid until its retry-after, because no recorded unit can shorten that. A refund, a reset and an override
 * can: {@link invalidate} the key after each. A denial that the server sent before such a change must not be cached after
 * it, so read the key's {@link version} before you ask the server, and pass it to {@link insert}.
 */
export class DenyCache {
  readonly #capacity: number;
  /** The keys that were read least recently are first. */
  readonly #denials: Map<string, CachedDenial> = new Map();
  /** The number of invalidations. Keys of one slot share a counter, which costs a round trip at most. */
  readonly #versions: Uint32Array = new Uint32Array(SLOT_COUNT);

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Returns the denial of the same check, with the wait that is left at `now`. */
  get(operation: CheckOp, now: number): LimiterDecision | undefined {
    const denial = this.#denials.get(operation.key);
    if (!denial) {
      return undefined;
    }
    this.#denials.delete(operation.key);
    if (now >= denial.validUntil) {
      return undefined;
    }
    this.#denials.set(operation.key, denial);
    if (denial.check !== describe(operation)) {
      return undefined;
    }
    const wait = Math.max(1, Math.ceil(denial.retryAt - now));
    const { decision } = denial;
    const passed = Math.max(0, denial.retryAfterMs - wait);
    const resetAfterMs = Math.max(0, decision.resetAfterMs - passed);
    return { ...decision, retryAfterMs: wait, resetAfterMs, source: "deny-cache" };
  }

  /** Returns the key's version. Read it before you ask the server. */
  version(key: string, now: number): KeyVersion {
    return { version: this.#versions[hashSlot(key)] as number, readAt: now };
  }

  /**
   * Caches a denial that arrived at `now`. Does nothing if it never ends, if the key was invalidated since `version` was
   * read, or if the server did not decide: the fallback knows nothing about the key.
   */
  insert(operation: CheckOp, decision: LimiterDecision, version: KeyVersion, now: number): void {
    const { allowed, retryAfterMs, source } = decision;
    const isServer = source === "module" || source === "script";
    if (allowed || retryAfterMs === null || !isServer) {
      return;
    }
    const { key } = operation;
    if (this.#versions[hashSlot(key)] !== version.version) {
      return;
    }
    const maxAge =
      policyOf(operation.source) === undefined
        ? retryAfterMs
        : Math.min(retryAfterMs, MAX_POLICY_AGE_MS);
    this.#denials.delete(key);
    this.#denials.set(key, {
      check: describe(operation),
      decision,
      validUntil: version.readAt + maxAge,
      retryAfterMs,
      retryAt: now + retryAfterMs,
    });
    if (this.#denials.size > this.#capacity) {
      this.#denials.delete(this.#denials.keys().next().value as string);
    }
  }

  /** Removes the key's denial, and rejects those that are on their way. */
  invalidate(key: string): void {
    const slot = hashSlot(key);
    this.#versions[slot] = (this.#versions[slot] as number) + 1;
    this.#denials.delete(key);
  }

  /** Removes all denials, and rejects those that are on their way. */
  clear(): void {
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      this.#versions[slot] = (this.#versions[slot] as number) + 1;
    }
    this.#denials.clear();
  }
}

function describe({ source, cost }: CheckOp): string {
  const policy = policyOf(source);
  return `${cost} ${policy === undefined ? source : `policy ${policy}`}`;
}
