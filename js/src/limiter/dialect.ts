import type { Connection } from "../clients/connection.ts";
import type { Command } from "./commands.ts";
import type { Deadline } from "./deadline.ts";
import { needsModule } from "./errors.ts";
import { errorCode, isUnknownCommand } from "./failure-kind.ts";
import type { Operation } from "./operation.ts";
import type { Policies } from "./policies.ts";
import { Reply } from "./reply.ts";
import { logOfKey } from "./script.ts";
import { SHA1, TEXT } from "./script-text.ts";

/** How often a server without the module is asked whether it has been loaded since. */
const MODULE_INTERVAL_MS = 30_000;

/** How often a shard is asked whether it lacks the module, after commands that it, or another shard, did not know. */
const LACK_INTERVAL_MS = 1000;

/** The part of the server that answers checks. */
export type Backend = "auto" | "module" | "script";

/** How a server runs operations: with commands of the module, or with the script. */
export class Dialect {
  readonly #connection: Connection;
  readonly #backend: Backend;
  readonly #probe: () => Promise<void>;
  #usesScript: boolean;
  #askedAt = Number.POSITIVE_INFINITY;

  /** `probe` asks the server whether it has the module, and calls {@link setHasModule}. */
  constructor(connection: Connection, backend: Backend, probe: () => Promise<void>) {
    this.#connection = connection;
    this.#backend = backend;
    this.#probe = probe;
    this.#usesScript = backend === "script";
  }

  get usesScript(): boolean {
    return this.#usesScript;
  }

  setHasModule(hasModule: boolean): void {
    if (this.#backend === "auto") {
      this.#usesScript = !hasModule;
      this.#askedAt = performance.now();
    }
  }

  /** Asks a server without the module in the background whether it has been loaded, unless it was asked lately. */
  askForModule(): void {
    this.#askUnlessAsked(MODULE_INTERVAL_MS);
  }

  /** Runs an operation with a command of the module, and with the script if the server does not know it. */
  runModule<T>(operation: Operation<T>, policies: Policies, deadline: Deadline): Promise<T> {
    const command = operation.command();
    return this.#connection.send(command, operation.key, deadline).then(
      (reply) => operation.parse(new Reply(command[0] as string, reply)),
      (error) => {
        if (!isUnknownCommand(error)) {
          throw error;
        }
        if (this.#backend === "module") {
          throw needsModule('the backend "module"');
        }
        // An older module may lack a command that no check needs.
        if (!operation.needsModule) {
          this.#lackModule();
        }
        return this.runScript(operation, policies, deadline);
      },
    );
  }

  /** Runs an operation with the script. */
  runScript<T>(operation: Operation<T>, policies: Policies, deadline: Deadline): Promise<T> {
    return operation.viaScript(
      (command) => this.#evaluate(command, operation.key, deadline),
      policies,
    );
  }

  /** Sends a command, unless the time is over. */
  async send(command: Command, key: string, deadline: Deadline): Promise<Reply> {
    if (deadline.isOver) {
      throw new Error("the time is over");
    }
    const reply = await this.#connection.send(command, key, deadline);
    return new Reply(command[0] as string, reply);
  }

  /** Sends a command of the script. If the server does not have the script, loads it. */
  async #evaluate(command: Command, key: string, deadline: Deadline): Promise<Reply> {
    const log = logOfKey(key);
    try {
      return await this.send(command, log, deadline);
    } catch (error) {
      if (errorCode(error as Error) !== "NOSCRIPT") {
        throw error;
      }
    }
    if (this.#connection.isCluster) {
      // Libraries do not route `SCRIPT LOAD` by a key.
      return this.send(["EVAL", TEXT, ...command.slice(2)], log, deadline);
    }
    await this.send(["SCRIPT", "LOAD", TEXT], log, deadline);
    return this.send(["EVALSHA", SHA1, ...command.slice(2)], log, deadline);
  }

  /** A server rejected a command of the module. In a cluster, it may be another one, to which the library was redirected. */
  #lackModule(): void {
    if (this.#connection.isCluster) {
      this.#askUnlessAsked(LACK_INTERVAL_MS);
    } else {
      this.setHasModule(false);
    }
  }

  /** Asks in the background whether the server has the module, unless it was asked lately. An error says nothing. */
  #askUnlessAsked(intervalMs: number): void {
    const now = performance.now();
    if (now - this.#askedAt >= intervalMs) {
      this.#askedAt = now;
      this.#probe().catch(() => {});
    }
  }
}
