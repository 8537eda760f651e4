/** How long the same warning is not repeated, in milliseconds. */
const QUIET_MS = 60_000;
/** The number of warnings that are remembered. */
const MAX_REMEMBERED = 100;

/** Receives warnings, with the error if there is one. */
export type Warn = (message: string, error?: unknown) => void;

/** Writes each warning at most once a minute, so that requests cannot flood a log. */
export class Warnings {
  readonly #warn: Warn;
  readonly #last: Map<string, number> = new Map();

  constructor(warn: Warn = (message, error) => console.warn(message, ...(error ? [error] : []))) {
    this.#warn = warn;
  }

  warn(message: string, error?: unknown): void {
    const now = performance.now();
    const last = this.#last.get(message);
    if (last !== undefined && now - last < QUIET_MS) {
      return;
    }
    if (this.#last.size >= MAX_REMEMBERED) {
      this.#last.clear();
    }
    this.#last.set(message, now);
    // A log that fails must not fail the request, nor end the process if it is async.
    (async () => this.#warn(`ratelog: ${message}`, error))().catch(() => {});
  }
}
