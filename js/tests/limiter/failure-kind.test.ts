import { expect, test } from "vitest";
import { TimeoutFailure } from "../../src/limiter/deadline.ts";
import { errorCode, failureKind } from "../../src/limiter/failure-kind.ts";

test.each([
  ["LOADING Redis is loading the dataset in memory", "LOADING", "transient"],
  ["READONLY You can't write against a read only replica.", "READONLY", "connection-lost"],
  ["WRONGTYPE Operation against a key", "WRONGTYPE", undefined],
  ["Connection is closed.", undefined, "connection-lost"],
  ["The queue is full", undefined, "transient"],
  ["Reached maximum inflight requests", undefined, "transient"],
  // Before Redis 7.
  [
    "ERR Error running script (call to f_58de): @user_script:7: @user_script: 7: -OOM command not allowed",
    "OOM",
    "transient",
  ],
  [
    "ERR Error running script (call to f_58de): @user_script:7: READONLY You can't write",
    "READONLY",
    "connection-lost",
  ],
  [
    "ERR Error running script (call to f_58de): @user_script:7: WRONGTYPE Operation",
    "WRONGTYPE",
    undefined,
  ],
  ["ERR Error running script (call to f_58de): @user_script:7: attempt to index", "ERR", undefined],
])("%s", (message, code, kind) => {
  const error = new Error(message);
  expect([errorCode(error), failureKind(error)]).toEqual([code, kind]);
});

test("a server that is too slow fails for a moment", () => {
  expect(failureKind(new TimeoutFailure(5))).toBe("transient");
});
