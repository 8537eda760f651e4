import { Throttle } from "./throttle.ts";

/** The state of one origin. */
export class Origin {
  readonly name: string;
  readonly throttle: Throttle = new Throttle();
  #warned = false;

  constructor(name: string) {
    this.name = name;
  }

  /** Names the headers that the server must expose in the console, once, if scripts of the page's origin read none. */
  warnUnlessReadable(headers: Headers): void {
    if (!this.#warned && ![...headers.keys()].some((name) => /retry-after|ratelimit/.test(name))) {
      this.#warned = true;
      console.warn(
        `ratelog: ${this.name} denied a request (429), but the browser hides how long to wait. The server must send "Access-Control-Expose-Headers: Retry-After, RateLimit".`,
      );
    }
  }
}

/** Origins by name. Keeps the `max` most recently used. */
export class Origins {
  readonly #byName: Map<string, Origin> = new Map();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  /** Returns the origin of a URL, which may be relative to the page. */
  get(url: string): Origin {
    const name = originOf(url);
    const origin = this.#byName.get(name) ?? new Origin(name);
    this.#byName.delete(name);
    this.#byName.set(name, origin);
    if (this.#byName.size > this.#max) {
      this.#byName.delete(this.#byName.keys().next().value as string);
    }
    return origin;
  }
}

/** An invalid URL has an origin too. `fetch` reports it. */
function originOf(url: string): string {
  try {
    return new URL(url, globalThis.location?.href).origin;
  } catch {
    return "";
  }
}
