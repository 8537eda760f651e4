/** The waits between probes of an unavailable server: each twice as long as the one before, with jitter upwards. */
export class ProbeBackoff {
  readonly #minMs: number;
  readonly #maxMs: number;
  #nextMs: number;

  /** Waits that grow from `minMs` to `maxMs`, before jitter, which at most doubles a wait. */
  constructor(minMs: number, maxMs: number) {
    this.#minMs = minMs;
    this.#maxMs = maxMs;
    this.#nextMs = minMs;
  }

  next(): number {
    const wait = this.#nextMs;
    this.#nextMs = Math.min(2 * wait, this.#maxMs);
    return wait * (1 + Math.random());
  }

  reset(): void {
    this.#nextMs = this.#minMs;
  }
}
