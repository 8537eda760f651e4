/** The error of an operation that was not answered in time. */
export class TimeoutFailure extends Error {
  constructor(ms: number | undefined) {
    super(`the server did not answer in ${ms === undefined ? "time" : `${Math.ceil(ms)} ms`}`);
  }
}

type AfterPoll = (run: () => void) => unknown;

/**
 * Runs a function after the replies that have arrived are read. Taken early, because tests replace it. There is none in
 * browsers and Workers.
 */
const afterPoll =
  (globalThis as { setImmediate?: AfterPoll }).setImmediate ?? ((run: () => void) => run());

/** The end of the time in which an operation waits for the server. */
export class Deadline {
  readonly #timer: ReturnType<typeof setTimeout>;
  #controller: AbortController | undefined;
  #isOver = false;
  #hasEnded = false;

  /** `onOver` gets the error when the time is over, unless the operation has ended. */
  constructor(ms: number, onOver: (error: TimeoutFailure) => void) {
    this.#timer = setTimeout(() => {
      this.#isOver = true;
      this.#controller?.abort();
      // After other code has blocked the process, timers run before the replies that have come meanwhile are read.
      afterPoll(() => {
        if (this.end()) {
          onOver(new TimeoutFailure(ms));
        }
      });
    }, ms);
  }

  /** Runs an operation. Rejects with a {@link TimeoutFailure} if it takes longer. */
  static run<T>(ms: number, operation: (deadline: Deadline) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const deadline = new Deadline(ms, reject);
      operation(deadline).then(
        (result) => deadline.end() && resolve(result),
        (error) => deadline.fail() && reject(error),
      );
    });
  }

  /** Ends the operation, with a result. Returns whether it had not ended before. */
  end(): boolean {
    clearTimeout(this.#timer);
    const isFirst = !this.#hasEnded;
    this.#hasEnded = true;
    return isFirst;
  }

  /** Ends the operation with an error. Returns false also if the time is over: such errors are those of unsent commands. */
  fail(): boolean {
    return !this.#isOver && this.end();
  }

  /** Is aborted when the time is over: a command that the library has not sent by then is not sent at all. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }

  /** Whether the time is over, so that nothing more must be sent. */
  get isOver(): boolean {
    return this.#isOver;
  }
}
