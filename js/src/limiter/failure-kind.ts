import { TimeoutFailure } from "./deadline.ts";

/**
 * How a server failed to answer. `transient`: not this command, because it is too slow, loading, out of memory, or a part
 * of its cluster is down, or because the library has too many commands. `connection-lost`: the connection is closed, not
 * authenticated, or leads to a replica.
 */
export type FailureKind = "transient" | "connection-lost";

const TRANSIENT = new Set(
  "ASK BUSY CLUSTERDOWN LOADING MASTERDOWN MISCONF MOVED NOREPLICAS OOM TRYAGAIN UNKILLABLE".split(
    " ",
  ),
);
const CONNECTION_LOST = new Set(["DENIED", "NOAUTH", "READONLY", "WRONGPASS"]);

/** Returns how the server failed to answer; `undefined` if it is available and rejects the command itself. */
export function failureKind(error: Error): FailureKind | undefined {
  const code = errorCode(error);
  if (code === undefined) {
    return isTimeout(error) || isOverload(error) ? "transient" : "connection-lost";
  }
  if (TRANSIENT.has(code)) {
    return "transient";
  }
  return CONNECTION_LOST.has(code) ? "connection-lost" : undefined;
}

/** The limiter's time is over, or that of an option of the library: of ioredis and iovalkey, or of a pool of node-redis. */
function isTimeout(error: Error): boolean {
  return (
    error instanceof TimeoutFailure ||
    error.message === "Command timed out" ||
    error.message.startsWith("Timeout waiting for a client")
  );
}

/** The library has as many commands as it may: those of node-redis with `commandsQueueMaxLength`, and of valkey-glide. */
function isOverload({ message }: Error): boolean {
  return message === "The queue is full" || /maximum inflight requests/i.test(message);
}

/**
 * Returns the code at the start of a server's error, such as `WRONGTYPE`; `undefined` if it is the library's error. Before
 * Redis 7, an error of a script contains the error of the command that failed in it.
 */
export function errorCode({ message }: Error): string | undefined {
  const failed = /^ERR Error running script .*?: -?([A-Z][A-Z0-9]+) /.exec(message);
  return (failed ?? /^([A-Z][A-Z0-9]+) /.exec(message))?.[1];
}

/** Returns whether the server does not know the command: it does not have the module, or has an older one. */
export function isUnknownCommand(error: Error): boolean {
  return /^ERR unknown command/.test(error.message);
}
