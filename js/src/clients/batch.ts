/** The part of a socket that lets it send several writes as one. */
interface Socket {
  readonly writable?: boolean;
  cork?(): void;
  uncork?(): void;
}

/** A client of ioredis or iovalkey that is connected to a server. */
export interface Writable {
  readonly status: string;
  readonly stream?: Socket | undefined;
  call(command: string, ...args: string[]): Promise<unknown>;
}

type AtEndOfTurn = (run: () => void) => unknown;

/**
 * Runs a function at the end of the turn of the event loop. Taken early, because tests replace it. Where there is none, as
 * in browsers, there are no sockets either.
 */
const atEndOfTurn = (globalThis as { setImmediate?: AtEndOfTurn }).setImmediate;

/**
 * Sends commands at once, in an order with all others of the client, but with one write to the socket for those of one turn
 * of the event loop: a write costs more than all else that a check does in this process. node-redis and valkey-glide do so
 * themselves.
 */
export class Batch {
  readonly #client: Writable;
  #corked: Socket | undefined;

  constructor(client: Writable) {
    this.#client = client;
  }

  /** Sends a command. Resolves with its reply. */
  send(command: readonly string[]): Promise<unknown> {
    const { stream } = this.#client;
    if (atEndOfTurn && stream?.cork && stream !== this.#corked) {
      this.#cork(stream, atEndOfTurn);
    }
    return call(this.#client, command);
  }

  /** An end of the socket before that of the turn sends what is written. */
  #cork(socket: Socket, atEndOfTurn: AtEndOfTurn): void {
    this.#corked = socket;
    socket.cork?.();
    atEndOfTurn(() => {
      this.#corked = undefined;
      socket.uncork?.();
    });
  }
}

/** Sends a command. */
export function call(client: Writable, [name = "", ...args]: readonly string[]): Promise<unknown> {
  return client.call(name, ...args);
}
