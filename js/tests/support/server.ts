import { vi } from "vitest";

/** A response, an error in place of one, or a function that makes one. */
export type Answer = Response | Error | ((input: RequestInfo | URL, init?: RequestInit) => unknown);

/** A response without a body. */
export function answer(status: number, headers: Record<string, string> = {}): Response {
  return new Response(null, { status, headers });
}

/** A `fetch` that gives these answers in order, and the last one again and again; with the times of its calls. */
export function fakeFetch(
  ...answers: Answer[]
): typeof fetch & { times: number[]; sent: string[] } {
  const times: number[] = [];
  const sent: string[] = [];
  const fake = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    init?.signal?.throwIfAborted();
    times.push(performance.now());
    sent.push(await new Request(input, init).text());
    const next = answers.length > 1 ? answers.shift() : answers[0];
    const result = typeof next === "function" ? await next(input, init) : next;
    if (result instanceof Error) {
      throw result;
    }
    return (result instanceof Response ? result.clone() : result) as Response;
  };
  return Object.assign(fake, { times, sent });
}

/** Runs fake timers until a promise settles. Returns the milliseconds that passed. */
export async function settle(promise: Promise<unknown>): Promise<number> {
  const started = performance.now();
  let settled = false;
  const done = () => {
    settled = true;
  };
  promise.then(done, done);
  for (let turn = 0; !settled && turn < 10_000; turn++) {
    // Timers that are due, after the promises before them.
    await vi.advanceTimersByTimeAsync(0);
    if (!settled && vi.getTimerCount()) {
      await vi.advanceTimersToNextTimerAsync();
    }
  }
  return performance.now() - started;
}
