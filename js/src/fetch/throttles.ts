import { Throttle } from "./throttle.ts";

/** Throttles by origin. Keeps the `max` most recently used; a new throttle holds nothing back. */
export class Throttles {
  readonly #byOrigin: Map<string, Throttle> = new Map();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  /** Returns the throttle of an origin, which may be new. */
  get(origin: string): Throttle {
    const throttle = this.#byOrigin.get(origin) ?? new Throttle();
    this.#byOrigin.delete(origin);
    this.#byOrigin.set(origin, throttle);
    if (this.#byOrigin.size > this.#max) {
      this.#byOrigin.delete(this.#byOrigin.keys().next().value as string);
    }
    return throttle;
  }
}
