import type { Deadline } from "../limiter/deadline.ts";
import { ONE_SERVER, type ServerConnection } from "./connection.ts";

/** Options of a command: `abortSignal` of node-redis 5 and 6, `signal` of 4. No timer of the library's own. */
export interface CommandOptions {
  readonly abortSignal: AbortSignal;
  readonly signal: AbortSignal;
  readonly timeout: undefined;
  readonly typeMapping: Record<string, never>;
}

/** A client of one server, of `createClient`. */
export interface NodeRedisClient {
  readonly isReady: boolean;
  readonly options?: object | undefined;
  sendCommand(args: string[], options?: object): Promise<unknown>;
}

/** A pool of `createClientPool`. */
export interface NodeRedisPool {
  readonly isOpen: boolean;
  readonly totalClients: number;
  sendCommand(args: string[], options?: object): Promise<unknown>;
}

/** A client of `createSentinel`. */
export interface NodeRedisSentinel {
  readonly isReady: boolean;
  sendCommand(isReadonly: boolean, args: string[], options?: object): Promise<unknown>;
}

/** The options of a command that is not sent after its deadline. */
export function optionsOf({ signal }: Deadline): CommandOptions {
  return { abortSignal: signal, signal, timeout: undefined, typeMapping: {} };
}

/** A pool as a client. It does not say which of its clients are connected: commands to a lost server end by their time. */
export function clientOf(pool: NodeRedisPool): NodeRedisClient {
  return {
    get isReady() {
      return pool.isOpen;
    },
    sendCommand: (args, options) => pool.sendCommand(args, options),
  };
}

/** node-redis, with one server, which Sentinel may choose. */
export class NodeRedisConnection implements ServerConnection {
  readonly isCluster = false;
  readonly #client: NodeRedisClient | NodeRedisSentinel;
  readonly #send: (args: string[], options: CommandOptions) => Promise<unknown>;
  readonly name: string;

  constructor(client: NodeRedisClient | NodeRedisSentinel, isSentinel: boolean) {
    this.#client = client;
    this.name = isSentinel ? ONE_SERVER : nameOf(client as NodeRedisClient);
    this.#send = isSentinel
      ? (args, options) => (client as NodeRedisSentinel).sendCommand(false, args, options)
      : (args, options) => (client as NodeRedisClient).sendCommand(args, options);
  }

  isReady(): boolean {
    return this.#client.isReady;
  }

  send(command: readonly string[], _: string, deadline: Deadline): Promise<unknown> {
    return this.#send([...command], optionsOf(deadline));
  }
}

/** The address of a server, without the password that the URL may have. */
function nameOf({ options }: NodeRedisClient): string {
  const { url, socket } = { ...options } as { url?: string; socket?: object };
  const { host, port, path } = { ...socket } as Record<string, unknown>;
  if (path !== undefined) {
    return String(path);
  }
  if (host !== undefined) {
    return `${host}:${port ?? 6379}`;
  }
  return url && URL.canParse(url) ? new URL(url).host : ONE_SERVER;
}
