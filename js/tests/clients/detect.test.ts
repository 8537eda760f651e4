import { expect, test } from "vitest";
import type { ClusterConnection, ServerConnection } from "../../src/clients/connection.ts";
import { connectionOf } from "../../src/clients/detect.ts";
import { Deadline } from "../../src/limiter/deadline.ts";

const sendCommand = async (...args: unknown[]) => args;

/** Sends a command by the connection of a client. Returns how the client was called. */
function send(client: object, key = "key"): Promise<unknown> {
  return Deadline.run(1000, (deadline) =>
    connectionOf(client as never).send(["RL.RESET", key], key, deadline),
  );
}

const OPTIONS = {
  abortSignal: expect.any(AbortSignal),
  signal: expect.any(AbortSignal),
  timeout: undefined,
  typeMapping: {},
};

test("each client is called as its library wants it", async () => {
  expect(await send({ isReady: true, sendCommand })).toEqual([["RL.RESET", "key"], OPTIONS]);
  const sentinel = { isReady: true, sendCommand, getSentinelNode() {} };
  expect(await send(sentinel)).toEqual([false, ["RL.RESET", "key"], OPTIONS]);
  const cluster = { slots: [], masters: [], sendCommand };
  expect(await send(cluster)).toEqual(["key", false, ["RL.RESET", "key"], OPTIONS]);
  expect(await send({ status: "ready", call: sendCommand })).toEqual(["RL.RESET", "key"]);
  const customCommand = sendCommand;
  expect(await send({ customCommand })).toEqual([["RL.RESET", "key"], undefined]);
  const route = { type: "primarySlotKey", key: "key" };
  const glideCluster = { customCommand, fcallWithRoute() {} };
  expect(await send(glideCluster)).toEqual([["RL.RESET", "key"], { route }]);
});

test("a server has the name that its client gives it, without a password", () => {
  const nodeRedis = (options?: object) => ({ isReady: true, sendCommand, options });
  const ioredis = (options?: object) => ({ status: "ready", call: sendCommand, options });
  const nameOf = (client: object) => (connectionOf(client as never) as ServerConnection).name;
  expect(
    [
      nodeRedis(),
      nodeRedis({ url: "redis://user:password@example.com:7000/1" }),
      nodeRedis({ url: "no URL" }),
      nodeRedis({ socket: { host: "example.com" } }),
      nodeRedis({ socket: { host: "example.com", port: 7000 } }),
      nodeRedis({ socket: { path: "/run/redis.sock" } }),
      ioredis(),
      ioredis({ host: "example.com", port: 7000, password: "password" }),
      ioredis({ path: "/run/redis.sock" }),
      ioredis({ host: "localhost", port: 6379, sentinels: [], name: "service" }),
      ioredis({ host: "localhost", port: 6379, sentinels: [] }),
      { customCommand: sendCommand },
    ].map(nameOf),
  ).toEqual([
    "the server",
    "example.com:7000",
    "the server",
    "example.com:6379",
    "example.com:7000",
    "/run/redis.sock",
    "the server",
    "example.com:7000",
    "/run/redis.sock",
    "service",
    "the server",
    "the server",
  ]);
});

test("a probe of the only shard of a cluster waits for its connection", async () => {
  const master = { address: "node:1", client: { isReady: false } };
  const client = { slots: Array(16_384).fill({ master }), masters: [master], sendCommand };
  const probe = () =>
    Deadline.run(1000, (deadline) =>
      (connectionOf(client as never) as ClusterConnection).probe(
        ["RL.REFUND", "key"],
        "key",
        deadline,
      ),
    );
  await expect(probe()).rejects.toThrow("the client is not connected");
  master.client.isReady = true;
  expect(await probe()).toEqual(["key", false, ["RL.REFUND", "key"], OPTIONS]);
});

test("a client without a connection is not ready", async () => {
  const isReady = (client: object, shard = "") => connectionOf(client as never).isReady(shard);
  expect(isReady({ isReady: false, sendCommand })).toBe(false);
  expect(isReady({ status: "reconnecting", call: sendCommand })).toBe(false);
  expect(isReady({ customCommand: sendCommand, isClosed: true })).toBe(false);
  const node = (client?: object) => ({ address: "node:1", client });
  const cluster = (client?: object) => ({ slots: [], masters: [node(client)], sendCommand });
  expect(isReady(cluster(), "node:2")).toBe(false);
  expect(isReady(cluster(), "node:1")).toBe(true);
  expect(isReady(cluster({ isReady: false }), "node:1")).toBe(false);
  const failing = { status: "wait", call: sendCommand, connect: () => Promise.reject(new Error()) };
  expect(isReady(failing)).toBe(false);
  const nodes = () => [{ status: "ready", options: { host: "node", port: 1 }, call: sendCommand }];
  const ioredisCluster = { status: "ready", slots: [], nodes, call: sendCommand };
  expect([isReady(ioredisCluster, "node:1"), isReady(ioredisCluster, "node:2")]).toEqual([
    true,
    false,
  ]);
  await expect(send(ioredisCluster)).rejects.toThrow("the client is not connected");
});
