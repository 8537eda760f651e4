import { expect, test, vi } from "vitest";
import type { ClusterConnection } from "../../src/clients/connection.ts";
import { GlideConnection } from "../../src/clients/valkey-glide.ts";
import { GlideClusterConnection } from "../../src/clients/valkey-glide-cluster.ts";
import { Deadline, TimeoutFailure } from "../../src/limiter/deadline.ts";
import { failureKind } from "../../src/limiter/failure-kind.ts";
import { hashSlot } from "../../src/limiter/hash-slot.ts";

/** The error of a command whose error the library gives in this form. */
async function errorOf(message: string, name = "RequestError"): Promise<Error> {
  const error = Object.assign(new Error(message), { name });
  const connection = new GlideConnection({ customCommand: () => Promise.reject(error) });
  return connection.send(["RL.CHECK"]).then(
    () => new Error("no error"),
    (error) => error,
  );
}

test("errors of the server get their codes back", async () => {
  const signalled = "An error was signalled by the server: - ";
  for (const [message, expected, kind] of [
    [`${signalled}ResponseError: unknown command 'X'`, "ERR unknown command 'X'", undefined],
    [`${signalled}ReadOnly: You can't write`, "READONLY You can't write", "connection-lost"],
    [`${signalled}BusyLoadingError: Redis is loading`, "LOADING Redis is loading", "transient"],
    ["NOPOLICY: no policy named 'x'", "NOPOLICY no policy named 'x'", undefined],
    ["Connection error: refused", "Connection error: refused", "connection-lost"],
    ["broken pipe", "broken pipe", "connection-lost"],
  ] as const) {
    const error = await errorOf(message);
    expect([error.message, failureKind(error)]).toEqual([expected, kind]);
  }
  const timeout = await errorOf("timed out", "TimeoutError");
  expect(timeout).toBeInstanceOf(TimeoutFailure);
  expect(timeout.message).toBe("the server did not answer in time");
});

test("a probe of a server is a command like others", async () => {
  const connection = new GlideConnection({ customCommand: async (command) => command });
  expect(await connection.probe(["RL.REFUND", "key"])).toEqual(["RL.REFUND", "key"]);
});

test("the topology is read at the start, and again after an error", async () => {
  let owner = "node:1";
  let error: Error | undefined;
  const customCommand = vi.fn(async ([name]: string[]) => {
    if (name === "CLUSTER") {
      const [host, port] = owner.split(":");
      return [[0, 16_383, [host || null, Number(port), "id"]]];
    }
    if (error) {
      throw error;
    }
    return 1;
  });
  const connection: ClusterConnection = new GlideClusterConnection({ customCommand });
  const command = ["RL.RESET", "key"];
  const send = () => Deadline.run(1000, (deadline) => connection.send(command, "key", deadline));
  expect(connection.shardOf(hashSlot("key"))).toBeUndefined();
  await vi.waitFor(() => expect(connection.shardOf(hashSlot("key"))).toBe("node:1"));
  expect(connection.shards()).toEqual(["node:1"]);
  owner = ":2";
  expect([await send(), connection.shardOf(0)]).toEqual([1, "node:1"]);
  error = new Error("broken pipe");
  await expect(send()).rejects.toThrow("broken pipe");
  await vi.waitFor(() => expect(connection.shardOf(0)).toBe(":2"));
  error = undefined;
  owner = "node:3";
  const probe = () => Deadline.run(1000, (deadline) => connection.probe(command, "key", deadline));
  expect(await probe()).toBe(1);
  expect(connection.shards()).toEqual(["node:3"]);
  owner = "node:4";
  await connection.refresh?.();
  expect(connection.shards()).toEqual(["node:4"]);
});
