import type { LimiterEvent } from "./events.ts";

/** Reports outages of a server: one event at the start and one at the end of each. */
export class OutageLog {
  readonly #server: string;
  readonly #report: (event: LimiterEvent) => void;
  #isReported = false;

  constructor(server: string, report: (event: LimiterEvent) => void) {
    this.#server = server;
    this.#report = report;
  }

  /** Reports the start of an outage, unless it is reported already. */
  unavailable(error: string): void {
    if (!this.#isReported) {
      this.#isReported = true;
      this.#report({ name: "server_unavailable", server: this.#server, error });
    }
  }

  /** Reports the end of an outage whose start is reported. */
  recovered(): void {
    if (this.#isReported) {
      this.#isReported = false;
      this.#report({ name: "server_recovered", server: this.#server });
    }
  }
}
