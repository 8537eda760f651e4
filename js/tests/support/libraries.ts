import { GlideClient, GlideClusterClient, Logger } from "@valkey/valkey-glide";
import { Redis as Ioredis, Cluster as IoredisCluster } from "ioredis";
import { Redis as Ioredis5, Cluster as Ioredis5Cluster } from "ioredis-5";
import { Redis as IoValkey, Cluster as IoValkeyCluster } from "iovalkey";
import { createClient, createClientPool, createCluster, createSentinel } from "redis";
import { createClient as createClient4, createCluster as createCluster4 } from "redis-4";
import {
  createClient as createClient5,
  createClientPool as createClientPool5,
  createCluster as createCluster5,
  createSentinel as createSentinel5,
} from "redis-5";
import type { Client } from "../../src/index.ts";

/** A client of a library, and how to end it. */
export interface Opened {
  readonly client: Client;
  close(): void;
}

/** The waits before a library connects again are short, so that the tests are. */
const RECONNECT_MS = 20;

const socket = { reconnectStrategy: RECONNECT_MS };

function ioredis<T extends Ioredis | Ioredis5 | IoValkey>(client: T): T {
  // A lost connection is the subject of the tests.
  client.on("error", () => {});
  return client;
}

const ioredisOptions = {
  autoResendUnfulfilledCommands: false,
  retryStrategy: () => RECONNECT_MS,
};

/** Opens a client of each library, which connects by itself. */
export const LIBRARIES: Record<string, (url: string) => Opened | Promise<Opened>> = {
  "node-redis 6": (url) => {
    const client = createClient({ url, socket }).on("error", () => {});
    client.connect().catch(() => {});
    return { client, close: () => client.destroy() };
  },
  "node-redis 5": (url) => {
    const client = createClient5({ url, socket }).on("error", () => {});
    client.connect().catch(() => {});
    return { client, close: () => client.destroy() };
  },
  "node-redis 4": (url) => {
    const client = createClient4({
      url,
      socket: { reconnectStrategy: () => RECONNECT_MS },
    }).on("error", () => {});
    client.connect().catch(() => {});
    return { client, close: () => void client.disconnect().catch(() => {}) };
  },
  "pool of node-redis 6": (url) => {
    const client = createClientPool({ url, socket }).on("error", () => {});
    client.connect().catch(() => {});
    return { client, close: () => client.destroy() };
  },
  "pool of node-redis 5": (url) => {
    const client = createClientPool5({ url, socket }).on("error", () => {});
    client.connect().catch(() => {});
    return { client, close: () => client.destroy() };
  },
  "ioredis 6": (url) => {
    const client = ioredis(new Ioredis(url, ioredisOptions));
    return { client, close: () => client.disconnect() };
  },
  "ioredis 5": (url) => {
    const client = ioredis(new Ioredis5(url, ioredisOptions));
    return { client, close: () => client.disconnect() };
  },
  iovalkey: (url) => {
    const client = ioredis(new IoValkey(url, ioredisOptions));
    return { client, close: () => client.disconnect() };
  },
  // It is connected before anybody has it.
  "valkey-glide": async (url) => {
    const port = Number(new URL(url).port);
    const client = await GlideClient.createClient({
      addresses: [{ host: "127.0.0.1", port }],
      advancedConfiguration: { connectionTimeout: 5000 },
      ...glideOptions,
    });
    return { client, close: () => client.close() };
  },
};

const glideOptions = {
  requestTimeout: 5000,
  connectionBackoff: { numberOfRetries: 5, factor: RECONNECT_MS, exponentBase: 1 },
};
// The library writes to the standard output.
Logger.init("off");

const clusterOptions = { clusterRetryStrategy: () => RECONNECT_MS };

/** Opens a client of each library for a cluster, by the ports of nodes. */
export const CLUSTER_LIBRARIES: Record<
  string,
  (ports: readonly number[]) => Opened | Promise<Opened>
> = {
  "node-redis 6": (ports) => {
    const client = createCluster({ rootNodes: urls(ports), defaults: { socket } });
    client
      .on("error", () => {})
      .connect()
      .catch(() => {});
    return { client, close: () => client.destroy() };
  },
  "node-redis 5": (ports) => {
    const client = createCluster5({ rootNodes: urls(ports), defaults: { socket } });
    client
      .on("error", () => {})
      .connect()
      .catch(() => {});
    return { client, close: () => client.destroy() };
  },
  "node-redis 4": (ports) => {
    const defaults = { socket: { reconnectStrategy: () => RECONNECT_MS } };
    const client = createCluster4({ rootNodes: urls(ports), defaults });
    client
      .on("error", () => {})
      .connect()
      .catch(() => {});
    return { client, close: () => void client.disconnect().catch(() => {}) };
  },
  "ioredis 6": (ports) => {
    const client = new IoredisCluster(nodes(ports), clusterOptions).on("error", () => {});
    return { client, close: () => client.disconnect() };
  },
  "ioredis 5": (ports) => {
    const client = new Ioredis5Cluster(nodes(ports), clusterOptions).on("error", () => {});
    return { client, close: () => client.disconnect() };
  },
  iovalkey: (ports) => {
    const client = new IoValkeyCluster(nodes(ports), clusterOptions).on("error", () => {});
    return { client, close: () => client.disconnect() };
  },
  "valkey-glide": async (ports) => {
    const client = await GlideClusterClient.createClient({
      addresses: nodes(ports),
      ...glideOptions,
    });
    return { client, close: () => client.close() };
  },
};

function nodeRedisSentinelOptions(port: number) {
  return {
    name: "service",
    sentinelRootNodes: nodes([port]),
    nodeClientOptions: { socket },
    scanInterval: 100,
    // As the documentation says: commands without an answer are not sent again.
    maxCommandRediscovers: 0,
  };
}

/** Opens a client of each library that knows Sentinel, for the service `service` of a Sentinel on a port. */
export const SENTINEL_LIBRARIES: Record<string, (port: number) => Opened> = {
  "node-redis 6": (port) => {
    const client = createSentinel(nodeRedisSentinelOptions(port));
    client
      .on("error", () => {})
      .connect()
      .catch(() => {});
    return { client, close: () => void client.destroy().catch(() => {}) };
  },
  "node-redis 5": (port) => {
    const client = createSentinel5(nodeRedisSentinelOptions(port));
    client
      .on("error", () => {})
      .connect()
      .catch(() => {});
    return { client, close: () => void client.destroy().catch(() => {}) };
  },
  "ioredis 6": (port) => {
    const client = ioredis(new Ioredis({ ...sentinelOptions, sentinels: nodes([port]) }));
    return { client, close: () => client.disconnect() };
  },
  "ioredis 5": (port) => {
    const client = ioredis(new Ioredis5({ ...sentinelOptions, sentinels: nodes([port]) }));
    return { client, close: () => client.disconnect() };
  },
  iovalkey: (port) => {
    const client = ioredis(new IoValkey({ ...sentinelOptions, sentinels: nodes([port]) }));
    return { client, close: () => client.disconnect() };
  },
};

const sentinelOptions = {
  name: "service",
  sentinelRetryStrategy: () => RECONNECT_MS,
  ...ioredisOptions,
};

function urls(ports: readonly number[]): { url: string }[] {
  return ports.map((port) => ({ url: `redis://127.0.0.1:${port}` }));
}

function nodes(ports: readonly number[]): { host: string; port: number }[] {
  return ports.map((port) => ({ host: "127.0.0.1", port }));
}
