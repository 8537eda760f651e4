import { Redis as Ioredis } from "ioredis";
import { Redis as Ioredis5 } from "ioredis-5";
import { Redis as IoValkey } from "iovalkey";
import { createClient } from "redis";
import { createClient as createClient4 } from "redis-4";
import { createClient as createClient5 } from "redis-5";
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

const ioredisOptions = { retryStrategy: () => RECONNECT_MS };

/** Opens a client of each library, which connects by itself. */
export const LIBRARIES: Record<string, (url: string) => Opened> = {
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
};
