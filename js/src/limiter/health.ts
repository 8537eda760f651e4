import type { BreakerState } from "./breaker.ts";

/** The state of a server, or of a shard of a cluster. */
export interface ShardHealth {
  /** The name or the address of the server. */
  readonly server: string;
  /** `closed` while the server answers checks; otherwise the fallback does. */
  readonly state: BreakerState;
  /** Since when the server is available, or unavailable, in milliseconds since the Unix epoch. */
  readonly since: number;
  /** The last error of a check or a probe, no matter how long ago. */
  readonly lastError: string | undefined;
  /** How many times the breaker opened. */
  readonly opened: number;
  /** The number of checks that the fallback decided while the breaker was closed. */
  readonly unanswered: number;
  /** Whether the script decides, because the server does not have the module. */
  readonly usesScript: boolean;
}

/** The state of the servers of a {@link RateLimiter}. */
export interface Health {
  /** `closed` if all known servers answer checks, and without a server; otherwise that of the first one that does not. */
  readonly state: BreakerState;
  /** The servers that the limiter has used. In a cluster, one for each shard. */
  readonly shards: readonly ShardHealth[];
}

/** Returns the state of several servers. */
export function healthOf(shards: readonly ShardHealth[]): Health {
  const open = shards.find(({ state }) => state !== "closed");
  return { state: open?.state ?? "closed", shards };
}
