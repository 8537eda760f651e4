import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { Batch } from "../../src/clients/batch.ts";
import { RateLimiter } from "../../src/index.ts";
import { Deadline } from "../../src/limiter/deadline.ts";
import { RedisServer } from "../support/redis-server.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterEach(() => {
  vi.restoreAllMocks();
});
afterAll(async () => {
  await server.stop();
});

/** A client that replies with the last argument, and has a socket. */
function scripted() {
  const events: string[] = [];
  const stream = {
    cork: () => events.push("cork"),
    uncork: () => events.push("uncork"),
  };
  const call = async (name: string, ...args: string[]) => {
    events.push([name, ...args].join(" "));
    return args.at(-1);
  };
  return { status: "ready", stream, call, events };
}

/** Sends commands in one turn of the event loop. `after` runs in the same turn. */
function sendAll(
  client: object,
  commands: readonly string[][],
  after: () => void = () => {},
): Promise<PromiseSettledResult<unknown>[]> {
  const batch = new Batch(client as never);
  const replies = commands.map((command) =>
    Deadline.run(60_000, (deadline) => batch.send(command, deadline)),
  );
  after();
  return Promise.allSettled(replies);
}

test("the checks of one turn of the event loop have one write", async () => {
  const client = new Redis(server.url, { autoResendUnfulfilledCommands: false });
  const limiter = new RateLimiter(client, { timeoutMs: 60_000 });
  await limiter.ready();
  // Node calls one of the two for each write of the operating system.
  const { stream } = client as unknown as { stream: { _write(): void; _writev(): void } };
  const one = vi.spyOn(stream, "_write");
  const many = vi.spyOn(stream, "_writev");
  const keys = Array.from({ length: 20 }, (_, index) => `key:${index}`);
  const decisions = await Promise.all(keys.map((key) => limiter.check(key, "5/minute")));
  expect(decisions.map(({ source, remaining }) => [source, remaining])).toEqual(
    keys.map(() => ["module", 4]),
  );
  expect(one).toHaveBeenCalledTimes(0);
  expect(many).toHaveBeenCalledTimes(1);
  await limiter.check("key:0", "5/minute");
  expect([one.mock.calls.length, many.mock.calls.length]).toEqual([1, 1]);
  limiter.close();
  client.disconnect();
});

test("each command has its own reply or error", async () => {
  const client = scripted();
  const { call } = client;
  client.call = async (name, ...args) => {
    if (args[0] === "2") {
      throw new Error("ERR no");
    }
    return call(name, ...args);
  };
  const results = await sendAll(client, [
    ["A", "1"],
    ["A", "2"],
    ["A", "3"],
  ]);
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(results[2]).toMatchObject({ value: "3" });
  expect(client.events).toEqual(["cork", "A 1", "A 3", "uncork"]);
});

test("a library that throws leaves the socket as it was", async () => {
  const client = scripted();
  client.call = () => {
    throw new Error("no such command");
  };
  const results = await sendAll(client, [["A", "1"]]);
  expect(results).toMatchObject([{ reason: { message: "no such command" } }]);
  expect(client.events).toEqual(["cork", "uncork"]);
});

test("nothing is sent by a client that is no longer connected", async () => {
  const client = scripted();
  const results = await sendAll(
    client,
    [
      ["A", "1"],
      ["A", "2"],
    ],
    () => {
      client.status = "reconnecting";
    },
  );
  expect(results.map((result) => "reason" in result && result.reason.message)).toEqual([
    "the client is not connected",
    "the client is not connected",
  ]);
  expect(client.events).toEqual(["cork", "uncork"]);
});

test("nothing is sent for an operation whose time is over", async () => {
  const client = scripted();
  const deadline = { ms: 1, isOver: false };
  const sent = new Batch(client as never).send(["A", "1"], deadline as never);
  deadline.isOver = true;
  await expect(sent).rejects.toThrow("the server did not answer in 1 ms");
  expect(client.events).toEqual(["cork", "uncork"]);
});

test("a client without a socket gets each command at once", async () => {
  const { call, events } = scripted();
  const results = await sendAll(
    { status: "ready", call },
    [
      ["A", "1"],
      ["A", "2"],
    ],
    () => {
      expect(events).toEqual(["A 1", "A 2"]);
    },
  );
  expect(results).toMatchObject([{ value: "1" }, { value: "2" }]);
});
