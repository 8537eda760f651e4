/** An event of a {@link RateLimiter}, for logs and metrics. `server` is the server, or the shard of a cluster. */
export type LimiterEvent =
  /** An outage begins. The fallback answers until the server recovers. */
  | { readonly name: "server_unavailable"; readonly server: string; readonly error: string }
  /** An outage ends. */
  | { readonly name: "server_recovered"; readonly server: string }
  /** The server did not answer a check, while the breaker is closed; at most once in ten seconds. */
  | {
      readonly name: "unanswered";
      readonly server: string;
      readonly error: string;
      /** The number of such checks so far. */
      readonly total: number;
    }
  /** The server is unavailable and the policy is unknown in this process, so its checks are allowed; once per policy. */
  | { readonly name: "unknown_policy"; readonly policy: string };

/** Writes an event to the console: the default. */
export function logEvent(event: LimiterEvent): void {
  const { name, ...fields } = event;
  const write = name === "server_recovered" ? console.info : console.warn;
  write(`ratelog: ${name}`, fields);
}

/** Returns a function that reports events. An error of `onEvent` is written to the console, and fails no check. */
export function reporter(onEvent: (event: LimiterEvent) => void): (event: LimiterEvent) => void {
  return (event) => {
    // It may be async: a rejection that nobody handles ends the process.
    (async () => onEvent(event))().catch((error) => {
      console.error("ratelog: onEvent failed", error);
    });
  };
}
