import { Batch, type Writable } from "./batch.ts";
import { ONE_SERVER, type ServerConnection } from "./connection.ts";

/** A client of one server, or of a cluster. */
export interface Callable extends Writable {
  connect(): Promise<unknown>;
}

/** A client of ioredis or iovalkey. */
export interface IoredisClient extends Callable {
  readonly options?: {
    readonly host?: string | undefined;
    readonly port?: number | undefined;
    readonly path?: string | undefined;
    readonly sentinels?: unknown;
    readonly name?: string | undefined;
  };
}

/** Returns whether a command is sent at once. A client that connects when it is used begins to. */
export function isReady(client: Callable): boolean {
  if (client.status === "wait") {
    client.connect().catch(() => {});
  }
  // The library keeps commands for a socket that is being closed until it has another one.
  return client.status === "ready" && client.stream?.writable !== false;
}

/** Returns the address of a server. */
export function addressOf({ options }: IoredisClient): string {
  return `${options?.host}:${options?.port}`;
}

/** ioredis or iovalkey, with one server, which Sentinel may choose. */
export class IoredisConnection implements ServerConnection {
  readonly isCluster = false;
  readonly #client: IoredisClient;
  readonly #batch: Batch;
  readonly name: string;

  constructor(client: IoredisClient) {
    const { host, path, sentinels, name } = client.options ?? {};
    this.#client = client;
    this.#batch = new Batch(client);
    this.name = (sentinels ? name : (path ?? (host && addressOf(client)))) ?? ONE_SERVER;
  }

  isReady(): boolean {
    return isReady(this.#client);
  }

  send(command: readonly string[]): Promise<unknown> {
    return this.#batch.send(command);
  }
}
