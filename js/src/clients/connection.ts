import type { Deadline } from "../limiter/deadline.ts";

/**
 * A client library's connection to one server, or to the shards of a cluster. The library opens connections, finds
 * servers again and follows redirects.
 */
export interface Connection {
  /** Whether the servers are a cluster. */
  readonly isCluster: boolean;

  /** Returns the name of the shard that owns a hash slot; `undefined` if it is not known. One server owns all slots. */
  shardOf(slot: number): string | undefined;

  /** Returns the names of all known shards. */
  shards(): readonly string[];

  /** Returns whether a command to a shard is sent at once, and does not wait for a connection. */
  isReady(shard: string): boolean;

  /** Sends a command to the server that owns the slot of `key`. Rejects with the error of the library or the server. */
  send(command: readonly string[], key: string, deadline: Deadline): Promise<unknown>;

  /** Sends a command like {@link send}, to a shard that may have been lost: the library looks for it, or for its successor. */
  probe(command: readonly string[], key: string, deadline: Deadline): Promise<unknown>;
}

/** The name of the only shard, if the servers are not a cluster. */
export const ONE_SERVER = "the server";
