import type { Deadline } from "../limiter/deadline.ts";

/** A client library's connection. The library opens connections, and follows redirects. */
interface Sender {
  /** Returns whether a command to a shard is sent at once, and does not wait for a connection. */
  isReady(shard: string): boolean;

  /** Sends a command to the server that owns the slot of `key`. Rejects with the error of the library or the server. */
  send(command: readonly string[], key: string, deadline: Deadline): Promise<unknown>;
}

/** A client library's connection to one server. */
export interface ServerConnection extends Sender {
  readonly isCluster: false;
  /** The name or the address of the server. */
  readonly name: string;

  /** Sends a command without a connection, if the library connects again only for a command. */
  probe?(command: readonly string[], key: string, deadline: Deadline): Promise<unknown>;
}

/** A client library's connection to the shards of a cluster. */
export interface ClusterConnection extends Sender {
  readonly isCluster: true;

  /** Returns the name of the shard that owns a hash slot; `undefined` if it is not known. */
  shardOf(slot: number): string | undefined;

  /** Returns the names of all known shards. */
  shards(): readonly string[];

  /** Sends a command to a shard that may have been lost: the library looks for it, or for its successor. */
  probe(command: readonly string[], key: string, deadline: Deadline): Promise<unknown>;

  /** Asks for the shards, if the library does not say when they change. */
  refresh?(): Promise<void>;
}

export type Connection = ServerConnection | ClusterConnection;

/** The error of a command that would wait for a connection. */
export function notConnected(): Error {
  return new Error("the client is not connected");
}

/** The name of a server whose client has none. */
export const ONE_SERVER = "the server";
