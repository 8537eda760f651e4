import type { FailureKind } from "./failure-kind.ts";

/** `closed`: checks are sent to the server. `open`: the fallback decides. `half-open`: so does it, during a probe. */
export type BreakerState = "closed" | "open" | "half-open";

/**
 * The circuit breaker of one server. It is closed while the server answers, open while it does not, and half-open while
 * a probe is in progress. Times are for people to read; no transition depends on them.
 */
export class Breaker {
  readonly #failureThreshold: number;
  #state: BreakerState;
  #failures = 0;
  #opened = 0;
  #since: number;
  #lastError: string | undefined;

  /** `failureThreshold` is the number of failures in a row that open it. */
  constructor(failureThreshold: number, state: BreakerState, now: number) {
    this.#failureThreshold = failureThreshold;
    this.#state = state;
    this.#since = now;
  }

  get isClosed(): boolean {
    return this.#state === "closed";
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** The time since which the server is available, or unavailable, in milliseconds since the Unix epoch. */
  get since(): number {
    return this.#since;
  }

  /** How many times the breaker opened. */
  get opened(): number {
    return this.#opened;
  }

  /** The last error of a check or a probe, no matter how long ago. */
  get lastError(): string | undefined {
    return this.#lastError;
  }

  recordSuccess(): void {
    this.#failures = 0;
  }

  /** Returns whether this failure opened the breaker. If it did, start to probe the server. */
  recordFailure(error: string, kind: FailureKind, now: number): boolean {
    this.#failures++;
    this.#lastError = error;
    const opens = kind === "connection-lost" || this.#failures >= this.#failureThreshold;
    if (!this.isClosed || !opens) {
      return false;
    }
    this.#opened++;
    this.#become("open", now);
    return true;
  }

  beginProbe(now: number): void {
    this.#become("half-open", now);
  }

  recordProbeFailure(error: string, now: number): void {
    this.#lastError = error;
    this.#become("open", now);
  }

  recordRecovery(now: number): void {
    this.#failures = 0;
    this.#become("closed", now);
  }

  /** `since` does not change between open and half-open, because that is one outage. */
  #become(state: BreakerState, now: number): void {
    if (this.isClosed !== (state === "closed")) {
      this.#since = now;
    }
    this.#state = state;
  }
}
