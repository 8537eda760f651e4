/** The first wait that the server does not give, before jitter. */
const BASE_MS = 100;
/** The longest wait that the server does not give. */
const MAX_BACKOFF_MS = 30_000;
/** The number of retries for which the server gives no wait, unless the number of tries is set. */
const MAX_UNGUIDED = 4;

/** The waits between the tries of one request. It reads no clock and does not sleep. */
export class Backoff {
  readonly #maxTries: number | undefined;
  readonly #maxWaitMs: number;
  #tries = 0;
  /** The tries after which the server gave no wait. */
  #unguided = 0;

  constructor(maxTries: number | undefined, maxWaitMs: number) {
    this.#maxTries = maxTries;
    this.#maxWaitMs = maxWaitMs;
  }

  /**
   * Returns the wait before the next try in milliseconds, or `undefined` if there is none: because the tries are used
   * up, or because the wait would end more than the maximum time after the first try began, `elapsedMs` ago.
   *
   * A `waitMs` that the server gives is never shortened. 0 is no wait: the wait then grows from try to try.
   */
  next(waitMs: number, elapsedMs: number): number | undefined {
    const left = this.#maxWaitMs - elapsedMs;
    if (++this.#tries >= (this.#maxTries ?? Infinity) || waitMs > left) {
      return undefined;
    }
    if (waitMs > 0) {
      return Math.min(waitMs + jitter(waitMs), left);
    }
    if (this.#maxTries === undefined && this.#unguided >= MAX_UNGUIDED) {
      return undefined;
    }
    // The jitter may double it.
    const least = Math.min(BASE_MS * 2 ** this.#unguided++, MAX_BACKOFF_MS / 2);
    const wait = least * (1 + Math.random());
    return wait > left ? undefined : wait;
  }
}

/**
 * A random addition to a wait that other clients were given as well, so that they do not all come back at the same
 * moment: at most a tenth of the wait, or 100 ms if that is more.
 */
export function jitter(waitMs: number): number {
  return Math.max(waitMs / 10, BASE_MS) * Math.random();
}
