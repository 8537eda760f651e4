import { SHA1 } from "../../src/limiter/script-text.ts";

/** An answer of the table's server. */
export type TableAnswer =
  | { reply: unknown }
  | { error: string }
  | { fails: "connection-lost" | "timeout" };

const LOST: TableAnswer = { fails: "connection-lost" };

/** A client that answers as the table says, in the forms of node-redis and of ioredis. */
export class TableClient {
  /** The answers to the commands of a step, by name. */
  readonly #answers: Map<string, TableAnswer[]> = new Map();
  /** The commands that nobody expected. */
  readonly unexpected: string[] = [];
  /** The answer to probes. */
  probeAnswer: TableAnswer = LOST;
  /** The number of probes so far. */
  probes = 0;

  /** A client with the methods of node-redis. */
  get nodeRedis() {
    return {
      isReady: true,
      sendCommand: (command: string[]) => this.#send(command),
    };
  }

  /** A client with the methods of ioredis. */
  get ioredis() {
    return {
      status: "ready",
      connect: async () => {},
      call: (...command: string[]) => this.#send(command),
    };
  }

  expect(command: string, answers: TableAnswer | TableAnswer[]): void {
    this.#answers.set(command, [answers].flat());
  }

  /** Removes the answers that are left. Returns the names of their commands. */
  takeLeft(): string[] {
    const left = [...this.#answers].filter(([, answers]) => answers.length);
    this.#answers.clear();
    return left.map(([name]) => name);
  }

  async #send([name = "", ...args]: string[]): Promise<unknown> {
    if (name === "RL.REFUND" && args[0] === "ratelog:probe") {
      this.probes++;
      return answer(this.probeAnswer);
    }
    if (name === "UNLINK" && args[0] === "ratelog:probe:ratelog-log") {
      return 0;
    }
    const next = this.#answers.get(name)?.shift();
    if (!next) {
      this.unexpected.push([name, ...args].join(" "));
    }
    return answer(next ?? LOST);
  }
}

async function answer(answer: TableAnswer): Promise<unknown> {
  if ("reply" in answer) {
    return answer.reply === "<sha1>" ? SHA1 : answer.reply;
  }
  if ("error" in answer) {
    throw new Error(answer.error);
  }
  if (answer.fails === "timeout") {
    await new Promise(() => {});
  }
  throw new Error("Socket closed unexpectedly");
}
