/** The error of an operation that was not answered in time. */
export class TimeoutFailure extends Error {
  constructor(ms: number | undefined) {
    super(`the server did not answer in ${ms === undefined ? "time" : `${Math.ceil(ms)} ms`}`);
  }
}

/** The end of the time in which an operation waits for the server. */
export class Deadline {
  readonly ms: number;
  #controller: AbortController | undefined;
  #isOver = false;

  private constructor(ms: number) {
    this.ms = ms;
  }

  /** Runs an operation. Rejects with a {@link TimeoutFailure} if it takes longer. */
  static run<T>(ms: number, operation: (deadline: Deadline) => Promise<T>): Promise<T> {
    const deadline = new Deadline(ms);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new TimeoutFailure(ms));
        deadline.#isOver = true;
        deadline.#controller?.abort();
      }, ms);
      operation(deadline).then(
        (result) => {
          clearTimeout(timer);
          resolve(result);
        },
        (error) => {
          clearTimeout(timer);
          reject(error);
        },
      );
    });
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
