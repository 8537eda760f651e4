import { exhaustedForMs, type RetryHint } from "./retry-hint.ts";

/** Why a request waits before it is sent, or sent again. */
export type WaitReason =
  /** The response has `Retry-After`. */
  | "retry-after"
  /** `RateLimit` or `X-RateLimit` headers say when units will be available. */
  | "ratelimit"
  /** The response does not say how long to wait. */
  | "backoff"
  /** There was no response. */
  | "network-error"
  /** An earlier response from the origin says that nothing remains. */
  | "pace";

/** A retry: `waitMs` is the wait that the server gives, 0 if it gives none. */
export interface RetryAction {
  readonly reason: WaitReason;
  readonly waitMs: number;
}

/**
 * Returns whether a request may be sent again even if the server may have executed it: because its method is
 * idempotent (RFC 9110), or because it has an `Idempotency-Key`.
 */
export function isIdempotent(method: string, headers: Headers): boolean {
  return /^(get|head|options|trace|put|delete)$/i.test(method) || headers.has("idempotency-key");
}

/**
 * Returns how to retry after a response, or `undefined` if the response is final.
 *
 * A 429 is retried whatever the method, because a limiter denies a request before anything happens. An idempotent
 * request is also retried after errors that are often transient: 408, 502, 503 and 504. A 429 without a wait whose
 * headers report units that remain is final: the request costs more than the limit, so no wait changes the response.
 */
export function afterResponse(
  status: number,
  hint: RetryHint,
  idempotent: boolean,
): RetryAction | undefined {
  const denied = status === 429;
  if (!denied && !(idempotent && [408, 502, 503, 504].includes(status))) {
    return undefined;
  }
  const waitMs = hint.retryAfterMs ?? exhaustedForMs(hint);
  if (waitMs) {
    return { reason: hint.retryAfterMs === undefined ? "ratelimit" : "retry-after", waitMs };
  }
  return waitMs === undefined && denied && hint.remaining
    ? undefined
    : { reason: "backoff", waitMs: 0 };
}
