import { expect, test, vi } from "vitest";
import { Warnings } from "../../src/http/warnings.ts";

test.each([
  [
    "throws",
    () => {
      throw new Error("the log is full");
    },
  ],
  ["is async and rejects", async () => Promise.reject(new Error("the log is full"))],
])("a function for warnings that %s does no harm", async (_, warn) => {
  const onUnhandled = vi.fn();
  process.on("unhandledRejection", onUnhandled);
  new Warnings(warn).warn("a request has no address");
  // Node reports it at the end of the turn.
  await new Promise((resolve) => setImmediate(resolve));
  process.off("unhandledRejection", onUnhandled);
  expect(onUnhandled).not.toHaveBeenCalled();
});
