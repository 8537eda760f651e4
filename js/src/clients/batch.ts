import { type Deadline, TimeoutFailure } from "../limiter/deadline.ts";

/** The part of a socket that lets it send several writes as one. */
interface Corkable {
  cork(): void;
  uncork(): void;
}

/** A client of ioredis or iovalkey that is connected to a server. */
export interface Writable {
  readonly status: string;
  /** The socket. */
  readonly stream?: Corkable | undefined;
  call(command: string, ...args: string[]): Promise<unknown>;
}

interface Waiting {
  readonly command: readonly string[];
  readonly deadline: Deadline;
  readonly resolve: (reply: Promise<unknown>) => void;
  readonly reject: (error: unknown) => void;
}

declare const setImmediate: (run: () => void) => unknown;

/**
 * Sends the commands of one turn of the event loop with one write to the socket: a write costs more than all else that a
 * check does in this process. node-redis and valkey-glide do so themselves.
 */
export class Batch {
  readonly #client: Writable;
  #waiting: Waiting[] = [];

  constructor(client: Writable) {
    this.#client = client;
  }

  /** Sends a command, unless the connection is lost or the time is over before. Resolves with its reply. */
  send(command: readonly string[], deadline: Deadline): Promise<unknown> {
    if (!this.#client.stream) {
      return call(this.#client, command);
    }
    return new Promise((resolve, reject) => {
      if (this.#waiting.push({ command, deadline, resolve, reject }) === 1) {
        setImmediate(() => this.#flush());
      }
    });
  }

  #flush(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    // Another one may follow before the end.
    const { stream } = this.#client;
    stream?.cork();
    for (const { command, deadline, resolve, reject } of waiting) {
      if (deadline.isOver) {
        reject(new TimeoutFailure(deadline.ms));
      } else if (this.#client.status === "ready") {
        resolve(call(this.#client, command));
      } else {
        // The library would keep the command until it is connected again.
        reject(new Error("the client is not connected"));
      }
    }
    stream?.uncork();
  }
}

/** Sends a command at once. */
export async function call(
  client: Writable,
  [name = "", ...args]: readonly string[],
): Promise<unknown> {
  return client.call(name, ...args);
}
