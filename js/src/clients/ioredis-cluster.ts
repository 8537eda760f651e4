import type { Deadline } from "../limiter/deadline.ts";
import { errorCode } from "../limiter/failure-kind.ts";
import { hashSlot } from "../limiter/hash-slot.ts";
import { Batch, call } from "./batch.ts";
import { type ClusterConnection, notConnected } from "./connection.ts";
import { addressOf, type Callable, type IoredisClient, isReady } from "./ioredis.ts";

/** A client of ioredis or iovalkey for a cluster. */
export interface IoredisCluster extends Callable {
  readonly isCluster: boolean;
  nodes(role?: "all" | "master" | "slave"): IoredisClient[];
}

/** The addresses of the nodes of each slot, the primary's first: a field of all versions that is not in their types. */
interface WithSlots {
  readonly slots: readonly (readonly string[] | undefined)[];
}

/**
 * ioredis or iovalkey, with a cluster.
 *
 * The library knows no keys of the module's commands, and would send them to any node. It also sends a command again
 * whose connection was lost, although a server may have run it. So this sends commands to the nodes themselves, and leaves
 * only those to the library that a node redirects.
 */
export class IoredisClusterConnection implements ClusterConnection {
  readonly isCluster = true;
  readonly #cluster: IoredisCluster;
  readonly #batches: WeakMap<IoredisClient, Batch> = new WeakMap();

  constructor(cluster: IoredisCluster) {
    this.#cluster = cluster;
  }

  shardOf(slot: number): string | undefined {
    return (this.#cluster as unknown as WithSlots).slots[slot]?.[0];
  }

  shards(): readonly string[] {
    // A client that connects when it is used begins to.
    isReady(this.#cluster);
    return this.#cluster.nodes("master").map(addressOf);
  }

  isReady(shard: string): boolean {
    const node = this.#node(shard);
    return isReady(this.#cluster) && node !== undefined && isReady(node);
  }

  async send(command: readonly string[], key: string, deadline: Deadline): Promise<unknown> {
    const node = this.#node(this.shardOf(hashSlot(key)));
    if (!node) {
      throw notConnected();
    }
    try {
      return await this.#batch(node).send(command);
    } catch (error) {
      const code = errorCode(error as Error);
      // Somebody else has decided a check whose time is over.
      if (deadline.isOver || (code !== "MOVED" && code !== "ASK")) {
        throw error;
      }
      return call(this.#cluster, command);
    }
  }

  /** The library asks any node, which redirects it to the shard, or to its successor. */
  probe(command: readonly string[]): Promise<unknown> {
    return call(this.#cluster, command);
  }

  #batch(node: IoredisClient): Batch {
    let batch = this.#batches.get(node);
    if (!batch) {
      batch = new Batch(node);
      this.#batches.set(node, batch);
    }
    return batch;
  }

  #node(shard: string | undefined): IoredisClient | undefined {
    return this.#cluster.nodes("master").find((node) => addressOf(node) === shard);
  }
}
