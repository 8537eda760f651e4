import { afterEach, expect, test, vi } from "vitest";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

test.each([
  ["Node", globalThis.setImmediate],
  ["browsers, which have no setImmediate", undefined],
])("an operation ends when its time is over, in %s", async (_, setImmediate) => {
  vi.resetModules();
  vi.stubGlobal("setImmediate", setImmediate);
  const { Deadline } = await import("../../src/limiter/deadline.ts");
  let signal: AbortSignal | undefined;
  const silent = Deadline.run(5, (deadline) => {
    signal = deadline.signal;
    return new Promise(() => {});
  });
  await expect(silent).rejects.toThrow("the server did not answer in 5 ms");
  expect(signal?.aborted).toBe(true);
});
