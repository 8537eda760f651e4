import type { Connection } from "./connection.ts";
import { type IoredisClient, IoredisConnection } from "./ioredis.ts";
import { type IoredisCluster, IoredisClusterConnection } from "./ioredis-cluster.ts";
import {
  clientOf,
  type NodeRedisClient,
  NodeRedisConnection,
  type NodeRedisPool,
  type NodeRedisSentinel,
} from "./node-redis.ts";
import { type NodeRedisCluster, NodeRedisClusterConnection } from "./node-redis-cluster.ts";

import { type GlideClient, GlideConnection } from "./valkey-glide.ts";
import { GlideClusterConnection } from "./valkey-glide-cluster.ts";

/**
 * A client of node-redis 4, 5 or 6 (`createClient`, `createCluster`, `createSentinel`, `createClientPool`), of ioredis 5
 * or 6 or iovalkey (`Redis`, also with Sentinel, and `Cluster`), or of valkey-glide (`GlideClient`, `GlideClusterClient`).
 */
export type Client =
  | NodeRedisClient
  | NodeRedisCluster
  | NodeRedisPool
  | NodeRedisSentinel
  | IoredisClient
  | IoredisCluster
  | GlideClient;

/**
 * Returns the connection of a client, which is recognized by its methods: no library is imported.
 *
 * @throws {TypeError} It is no client of a supported library.
 */
export function connectionOf(client: Client): Connection {
  const has = (name: string) => client !== null && typeof client === "object" && name in client;
  if (has("call") && has("status")) {
    return has("nodes")
      ? new IoredisClusterConnection(client as IoredisCluster)
      : new IoredisConnection(client as IoredisClient);
  }
  if (has("sendCommand") && has("masters")) {
    return new NodeRedisClusterConnection(client as NodeRedisCluster);
  }
  if (has("sendCommand") && has("isReady")) {
    const isSentinel = has("getSentinelNode");
    return new NodeRedisConnection(client as NodeRedisClient | NodeRedisSentinel, isSentinel);
  }
  if (has("sendCommand") && has("totalClients")) {
    return new NodeRedisConnection(clientOf(client as NodeRedisPool), false);
  }
  if (has("customCommand")) {
    return has("fcallWithRoute")
      ? new GlideClusterConnection(client as GlideClient)
      : new GlideConnection(client as GlideClient);
  }
  throw new TypeError("expected a client of node-redis, ioredis, iovalkey or valkey-glide");
}
