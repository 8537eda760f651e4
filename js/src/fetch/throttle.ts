import { jitter } from "./backoff.ts";
import { exhaustedForMs, type RetryHint } from "./retry-hint.ts";
import { sleep } from "./sleep.ts";

/** A reset may be due at once, or be rounded down to zero. */
const MIN_PERIOD_MS = 1000;

/** A request in the queue. */
interface Waiter {
  /** Makes it try again. */
  wake?: () => void;
}

/**
 * Holds the requests to one origin back while nothing remains. They are sent in order, at most as many at a time as
 * the last response said remain, and at least one; and one more in each period of the limit without a response. All times
 * are milliseconds of `performance.now()`.
 */
export class Throttle {
  readonly #queue: Set<Waiter> = new Set();
  /** The end of the period in which nothing remains. */
  #until = 0;
  /** The same with jitter, because other clients were given the same end. */
  #resumeAt = 0;
  /** The units that remained after the last response; `undefined` if it reported no limit. */
  #remaining: number | undefined;
  /** When one more request may be sent than that, although no response has come. */
  #oneMoreAt = Infinity;
  /** The time until the limit is reset again. */
  #periodMs = Infinity;
  #inFlight = 0;

  /**
   * Waits until the request may be sent, at most until `deadline`. Then call {@link release} when it ends.
   *
   * A period that ends after the deadline holds nothing back, because the request would have to be sent before it
   * ends. Calls `onWait` with the length of a period that holds the request back.
   *
   * Rejects with the reason of `signal` if it is aborted, and with that of the promise of `onWait`.
   */
  async acquire(
    deadline: number,
    signal: AbortSignal | null | undefined,
    onWait: (waitMs: number) => unknown,
  ): Promise<void> {
    const waiter: Waiter = {};
    let announced: number | undefined;
    let notice: unknown;
    this.#queue.add(waiter);
    try {
      for (let now = performance.now(); now < deadline; now = performance.now()) {
        let end = deadline;
        if (this.#first() === waiter) {
          if (this.#until <= deadline && now < this.#resumeAt) {
            end = Math.min(this.#resumeAt, deadline);
            if (end !== announced) {
              announced = end;
              notice = onWait(end - now);
            }
          } else if (this.#inFlight < Math.max(this.#remaining ?? Infinity, 1)) {
            break;
          } else if (now >= this.#oneMoreAt) {
            this.#oneMoreAt = now + this.#periodMs;
            break;
          } else {
            end = Math.min(this.#oneMoreAt, deadline);
          }
        }
        await sleep(end - now, signal, notice, (wake) => {
          waiter.wake = wake;
        });
      }
      this.#inFlight++;
    } finally {
      this.#queue.delete(waiter);
      this.#first()?.wake?.();
    }
  }

  /**
   * Records a response. `denied` is whether its status is 429.
   *
   * A wait longer than `maxMs`, the longest of any request, is no period: it would hide the shorter ones of other limits,
   * and hold nothing back itself.
   */
  onResponse(denied: boolean, hint: RetryHint, maxMs: number): void {
    const now = performance.now();
    const wait = (denied ? hint.retryAfterMs : undefined) ?? exhaustedForMs(hint);
    if (wait !== undefined && wait <= maxMs && now + wait > this.#until) {
      this.#until = now + wait;
      if (this.#resumeAt < this.#until) {
        this.#resumeAt = this.#until + jitter(wait);
      }
    }
    const remaining = hint.remaining ?? (denied ? 0 : undefined);
    if (remaining !== undefined || now >= this.#resumeAt) {
      this.#remaining = remaining;
      // A slow request, or one that is never answered, must not stop the others.
      this.#periodMs = Math.max((remaining ? hint.resetMs : wait) ?? Infinity, MIN_PERIOD_MS);
      this.#oneMoreAt = Math.max(now, this.#resumeAt) + this.#periodMs;
    }
  }

  /**
   * Returns the length of a wait that begins now. It is extended, to `maxMs` at most, if only the jitter of the period
   * would be left after it, so that the request waits once.
   */
  extend(waitMs: number, maxMs: number): number {
    const now = performance.now();
    return this.#until <= now + waitMs
      ? Math.min(Math.max(waitMs, this.#resumeAt - now), maxMs)
      : waitMs;
  }

  /** Ends a request that was sent, with or without a response. */
  release(): void {
    this.#inFlight--;
    this.#first()?.wake?.();
  }

  #first(): Waiter | undefined {
    return this.#queue.values().next().value;
  }
}
