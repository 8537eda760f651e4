import type { Deadline } from "../limiter/deadline.ts";
import { hashSlot } from "../limiter/hash-slot.ts";
import { probeKeyOf } from "../limiter/probe-key.ts";
import { type ClusterConnection, notConnected } from "./connection.ts";
import { optionsOf } from "./node-redis.ts";

/** A node of a cluster. Its client is made when it is needed. */
interface ClusterNode {
  readonly address: string;
  readonly client?: unknown;
}

/** A client of `createCluster`. */
export interface NodeRedisCluster {
  readonly slots: readonly { readonly master: ClusterNode }[];
  readonly masters: readonly ClusterNode[];
  sendCommand(
    firstKey: string | undefined,
    isReadonly: boolean,
    args: string[],
    options?: object,
  ): Promise<unknown>;
}

/** node-redis, with a cluster. */
export class NodeRedisClusterConnection implements ClusterConnection {
  readonly isCluster = true;
  readonly #cluster: NodeRedisCluster;

  constructor(cluster: NodeRedisCluster) {
    this.#cluster = cluster;
  }

  shardOf(slot: number): string | undefined {
    return this.#cluster.slots[slot]?.master.address;
  }

  shards(): readonly string[] {
    return this.#cluster.masters.map(({ address }) => address);
  }

  isReady(shard: string): boolean {
    const node = this.#cluster.masters.find(({ address }) => address === shard);
    if (!node) {
      return false;
    }
    // With `minimizeConnections` the first command connects.
    const client = node.client as { isReady?: boolean } | undefined;
    return client?.isReady ?? true;
  }

  send(command: readonly string[], key: string, deadline: Deadline): Promise<unknown> {
    return this.#cluster.sendCommand(key, false, [...command], optionsOf(deadline));
  }

  /**
   * The library reads the topology when a node redirects a command. So this sends the command to another shard first,
   * which redirects it to the shard, or to its successor.
   */
  async probe(command: readonly string[], key: string, deadline: Deadline): Promise<unknown> {
    const slot = hashSlot(key);
    const isOther = (shard: string) => shard !== this.shardOf(slot) && this.isReady(shard);
    const other = this.shards().find(isOther);
    if (other) {
      const otherKey = probeKeyOf((otherSlot) => this.shardOf(otherSlot) === other);
      await this.send(command, otherKey, deadline).catch(() => {});
    }
    const owner = this.shardOf(slot);
    if (!owner || !this.isReady(owner)) {
      throw notConnected();
    }
    return this.send(command, key, deadline);
  }
}
