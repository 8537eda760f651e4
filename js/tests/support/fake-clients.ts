/** The answer to a command: a value, an error, or a function that makes one. */
export type FakeAnswer = unknown | Error | (() => unknown);

/** A client with the methods of ioredis, whose server answers what a function says. */
export class FakeClient {
  status = "ready";
  readonly options: object;
  /** The commands that were sent, without probes. */
  readonly sent: string[][] = [];
  #answer: (command: string[]) => FakeAnswer;
  /** The answer to the commands of probes. */
  probeAnswer: (command: string[]) => FakeAnswer = () => 0;

  constructor(answer: (command: string[]) => FakeAnswer, options: object = {}) {
    this.#answer = answer;
    this.options = options;
  }

  /** From now on the server answers what this function says. */
  set answer(answer: (command: string[]) => FakeAnswer) {
    this.#answer = answer;
  }

  async connect(): Promise<void> {
    this.status = "ready";
  }

  async call(...command: string[]): Promise<unknown> {
    const isProbe = command[1]?.includes("ratelog:probe");
    if (!isProbe) {
      this.sent.push(command);
    }
    const answer = isProbe ? this.probeAnswer(command) : this.#answer(command);
    const value = typeof answer === "function" ? await answer() : answer;
    if (value instanceof Error) {
      throw value;
    }
    return value;
  }
}

/** A cluster with the methods of ioredis. Each shard owns an equal range of slots. */
export class FakeCluster {
  status = "ready";
  readonly isCluster = true;
  readonly shards: readonly FakeClient[];
  slots: string[][];

  constructor(...answers: ((command: string[]) => FakeAnswer)[]) {
    this.shards = answers.map((answer, port) => new FakeClient(answer, { host: "node", port }));
    this.slots = Array.from({ length: 16_384 }, (_, slot) => [
      `node:${Math.floor((slot * answers.length) / 16_384)}`,
    ]);
  }

  async connect(): Promise<void> {}

  nodes(): FakeClient[] {
    return [...this.shards];
  }

  /** The library finds a node by itself: here always the first. */
  call(...command: string[]): Promise<unknown> {
    return (this.shards[0] as FakeClient).call(...command);
  }
}

/** The reply of a check that is allowed. */
export const ALLOWED = [1, 9, 8, 0, 60_000, 60_000];
/** The reply of a check that is denied for five seconds. */
export const DENIED = [0, 9, 0, 5000, 60_000, 60_000];
