/**
 * - `unavailable`: no server answered, and the fallback has no answer either. The server may have run the operation.
 * - `rejected`: the server is available and rejects the operation; the message is its own.
 * - `no-policy`: no policy has this name.
 * - `needs-module`: the server does not have the module, which the operation needs.
 * - `invalid-reply`: the reply has another form than the command's. The server may have another version of the module.
 */
export type LimiterErrorCode =
  | "unavailable"
  | "rejected"
  | "no-policy"
  | "needs-module"
  | "invalid-reply";

/** The error of a {@link RateLimiter}. */
export class LimiterError extends Error {
  override readonly name = "LimiterError";
  readonly code: LimiterErrorCode;

  constructor(code: LimiterErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

export function unavailable(reason: string, cause?: unknown): LimiterError {
  return new LimiterError("unavailable", `the server is unavailable: ${reason}`, cause);
}

export function needsModule(operation: string): LimiterError {
  return new LimiterError(
    "needs-module",
    `${operation} needs the Ratelog module, which this server does not have`,
  );
}

export function invalidReply(command: string, reason: string): LimiterError {
  return new LimiterError("invalid-reply", `the reply to ${command} is invalid: ${reason}`);
}
