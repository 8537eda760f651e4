import { afterResponse, isIdempotent, type RetryAction, type WaitReason } from "./action.ts";
import { Backoff } from "./backoff.ts";
import { warnUnlessReadable } from "./cors.ts";
import { originOf } from "./origin.ts";
import { readInit } from "./read-init.ts";
import { readRetryHint } from "./retry-hint.ts";
import { sleep } from "./sleep.ts";
import { Throttles } from "./throttles.ts";

/** A wait that begins. */
export interface Wait {
  /** The length of the wait in milliseconds. */
  readonly waitMs: number;
  /** The number of times that the request was sent. 0 before the first try. */
  readonly attempt: number;
  /** Why it waits. */
  readonly reason: WaitReason;
  /** The response after which the request is sent again, if there was one. Its body is discarded after the call. */
  readonly response: Response | undefined;
}

/** Options of {@link createFetch}. */
export interface FetchOptions {
  /** Sends the requests. Default: the global `fetch`. */
  readonly fetch?: typeof globalThis.fetch;
  /**
   * How often a request is sent at most, an integer from 1 on. Default: any number of times after waits that the server
   * gives, and 5 times if it gives none.
   */
  readonly maxTries?: number;
  /**
   * The time from the call to the last try at most, in milliseconds. A longer wait is not begun. A try in progress is not
   * aborted; pass `AbortSignal.timeout()` for that. Default: 60,000.
   */
  readonly maxWaitMs?: number;
  /**
   * Whether to hold requests back while the last response from their origin says that nothing remains, and to send at most
   * as many at a time as it says remain, so that most of them are never denied. Default: `false`.
   */
  readonly pace?: boolean;
  /**
   * Is called when a wait begins. An error that it throws rejects the request, as does a promise that it returns and that
   * rejects during the wait.
   */
  readonly onWait?: (wait: Wait) => unknown;
}

/** The number of origins whose limits are remembered. */
const MAX_THROTTLES = 1000;

/**
 * Creates a `fetch` that waits as the server says when a limit is exhausted, and sends the request again.
 *
 * It waits for `Retry-After`, otherwise for the reset in `RateLimit` or `X-RateLimit` headers, and otherwise for a time
 * that grows from try to try. Jitter is only added. A 429 is sent again whatever the method; a 408, 502, 503, 504 or
 * network error only if the method is idempotent or the request has an `Idempotency-Key`. A stream is sent once. The
 * body of a `Request` object is kept in memory until a response arrives.
 *
 * When there is no further try, it returns the last response or throws the last error, as `fetch` does. An aborted
 * `signal` ends a wait at once, and rejects with the signal's reason.
 *
 * @throws {RangeError} `maxTries` or `maxWaitMs` is out of range.
 */
export function createFetch(options: FetchOptions = {}): typeof globalThis.fetch {
  const { maxTries, maxWaitMs = 60_000, pace, onWait } = options;
  const send: typeof globalThis.fetch = options.fetch ?? ((...args) => globalThis.fetch(...args));
  validateAtLeast("maxTries", maxTries ?? 1, 1);
  validateAtLeast("maxWaitMs", maxWaitMs, 0);
  const throttles = new Throttles(MAX_THROTTLES);

  return async (input, given) => {
    const init = given && readInit(given);
    const started = performance.now();
    const request = typeof input === "object" && "clone" in input ? input : undefined;
    const signal = init?.signal === undefined ? request?.signal : init.signal;
    const idempotent = isIdempotent(
      init?.method ?? request?.method ?? "GET",
      new Headers(init?.headers ?? request?.headers),
    );
    const replayable = !isStream(init?.body);
    const origin = originOf(request?.url ?? String(input));
    const throttle = pace ? throttles.get(origin) : undefined;
    const backoff = new Backoff(maxTries, maxWaitMs);

    try {
      for (let attempt = 1; ; attempt++) {
        let response: Response | undefined;
        let action: RetryAction | undefined;
        let error: unknown;
        let notice: unknown;
        const copy = request?.clone();
        try {
          await throttle?.acquire(started + maxWaitMs, signal, (waitMs) =>
            onWait?.({ waitMs, attempt: attempt - 1, reason: "pace", response }),
          );
        } catch (thrown) {
          discard(copy?.body);
          throw thrown;
        }
        try {
          response = await send(copy ?? input, init);
          const { status, headers, type } = response;
          const hint = readRetryHint(headers, Date.now());
          // The server that redirected may have executed the request, such as a POST that created what it leads to.
          if (idempotent || !response.redirected) {
            action = afterResponse(status, hint, idempotent);
          }
          throttle?.onResponse(status === 429, hint, maxWaitMs);
          if (status === 429 && type === "cors") {
            warnUnlessReadable(origin, headers);
          }
        } catch (thrown) {
          if (response) {
            throw thrown;
          }
          error = thrown;
          if (
            idempotent &&
            // That of another realm, as in Jest, is no instance.
            (error instanceof TypeError || (error as Error | undefined)?.name === "TypeError") &&
            (request || isValid(input, init, options.fetch))
          ) {
            action = { reason: "network-error", waitMs: 0 };
          }
        } finally {
          throttle?.release();
        }
        const elapsedMs = performance.now() - started;
        const leastMs = action && replayable ? backoff.next(action.waitMs, elapsedMs) : undefined;
        if (!action || leastMs === undefined) {
          if (response) {
            return response;
          }
          throw error;
        }
        const waitMs = throttle?.extend(leastMs, maxWaitMs - elapsedMs) ?? leastMs;
        try {
          signal?.throwIfAborted();
          notice = onWait?.({ waitMs, attempt, reason: action.reason, response });
        } finally {
          discard(response?.body);
        }
        await sleep(waitMs, signal, notice);
      }
    } finally {
      discard(request?.body);
    }
  };
}

function validateAtLeast(name: string, value: number, min: number): void {
  if (!(value >= min)) {
    throw new RangeError(`${name} must be ${min} or more, not ${value}`);
  }
}

/** Returns whether a body can be sent only once. */
function isStream(body: unknown): boolean {
  return (
    !!body && typeof body === "object" && ("getReader" in body || Symbol.asyncIterator in body)
  );
}

/**
 * Returns whether `fetch` accepts these arguments. If it does not, another try throws the same `TypeError`. Another fetch
 * may accept a relative URL where there is no page, as that of SvelteKit.
 */
function isValid(
  input: RequestInfo | URL,
  init: RequestInit | undefined,
  other: FetchOptions["fetch"],
): boolean {
  try {
    const url = other ? new URL(String(input), "http://localhost") : input;
    return !!new Request(url, { ...init, signal: null });
  } catch {
    return false;
  }
}

/** Frees the connection and the memory of a body that nobody will read. */
function discard(body: ReadableStream | null | undefined): void {
  body?.cancel().catch(() => {});
}
