import type { LimiterEvent } from "./events.ts";

const INTERVAL_MS = 10_000;

/** Counts the checks that the fallback decided although the breaker is closed, and reports one in ten seconds. */
export class UnansweredLog {
  readonly #server: string;
  readonly #report: (event: LimiterEvent) => void;
  #reportedAt = Number.NEGATIVE_INFINITY;
  #total = 0;

  constructor(server: string, report: (event: LimiterEvent) => void) {
    this.#server = server;
    this.#report = report;
  }

  /** The number of checks so far. */
  get total(): number {
    return this.#total;
  }

  record(checks: number, error: string): void {
    this.#total += checks;
    const now = performance.now();
    if (now - this.#reportedAt >= INTERVAL_MS) {
      this.#reportedAt = now;
      this.#report({ name: "unanswered", server: this.#server, error, total: this.#total });
    }
  }
}
