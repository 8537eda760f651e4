import { setImmediate } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { Batch } from "../../src/clients/batch.ts";
import { RateLimiter } from "../../src/index.ts";
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
  const stream = { cork: () => events.push("cork"), uncork: () => events.push("uncork") };
  const call = async (name: string, ...args: string[]) => {
    events.push([name, ...args].join(" "));
    return args.at(-1);
  };
  return { status: "ready", stream: stream as object, call, events };
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

test("commands are sent at once, and the socket sends them at the end of the turn", async () => {
  const client = scripted();
  const batch = new Batch(client as never);
  const replies = [batch.send(["A", "1"]), batch.send(["A", "2"])];
  expect(client.events).toEqual(["cork", "A 1", "A 2"]);
  expect(await Promise.all(replies)).toEqual(["1", "2"]);
  replies.push(batch.send(["A", "3"]));
  expect(client.events).toEqual(["cork", "A 1", "A 2", "A 3"]);
  await setImmediate();
  expect(client.events).toEqual(["cork", "A 1", "A 2", "A 3", "uncork"]);
  batch.send(["A", "4"]);
  expect(client.events.slice(5)).toEqual(["cork", "A 4"]);
  await setImmediate();
  expect(client.events.slice(7)).toEqual(["uncork"]);
});

test("a socket that follows in the same turn has its own writes", async () => {
  const client = scripted();
  const batch = new Batch(client as never);
  batch.send(["A", "1"]);
  client.stream = scripted().stream;
  batch.send(["A", "2"]);
  await setImmediate();
  expect(client.events).toEqual(["cork", "A 1", "A 2", "uncork"]);
});

test("a library that throws leaves the socket as it was", async () => {
  const client = scripted();
  client.call = () => {
    throw new Error("no such command");
  };
  expect(() => new Batch(client as never).send(["A", "1"])).toThrow("no such command");
  await setImmediate();
  expect(client.events).toEqual(["cork", "uncork"]);
});

test("a client need not have a socket that can be corked", async () => {
  for (const stream of [undefined, {}]) {
    const client = { ...scripted(), stream };
    expect(await new Batch(client as never).send(["A", "1"])).toBe("1");
  }
});

test("the tests of an application may replace the timers", async () => {
  const client = new Redis(server.url, { autoResendUnfulfilledCommands: false });
  const limiter = new RateLimiter(client, { timeoutMs: 60_000 });
  await limiter.ready();
  vi.useFakeTimers();
  try {
    expect(await limiter.check("timers", "5/minute")).toMatchObject({ source: "module" });
  } finally {
    vi.useRealTimers();
    limiter.close();
    client.disconnect();
  }
});

test.each(["quit", "disconnect"] as const)(
  "what was sent before %s in the same turn arrives",
  async (end) => {
    const client = new Redis(server.url, { autoResendUnfulfilledCommands: false });
    const limiter = new RateLimiter(client, { timeoutMs: 60_000 });
    await limiter.ready();
    const key = `before ${end}`;
    await limiter.check(key, "5/minute", { cost: 3 });
    const refunded = limiter.refund(key, { cost: 3 });
    void client[end]();
    if (end === "quit") {
      expect(await refunded).toBe(3);
    } else {
      await refunded.catch(() => {});
    }
    limiter.close();
    const other = new Redis(server.url);
    await vi.waitFor(async () => expect(await other.exists(key)).toBe(0), 20_000);
    other.disconnect();
  },
);

test("a check while the client connects again is not kept for later", async () => {
  const client = new Redis(server.url, { autoResendUnfulfilledCommands: false });
  const limiter = new RateLimiter(client, { timeoutMs: 60_000, onEvent: () => {} });
  await limiter.ready();
  client.disconnect(true);
  expect(await limiter.check("later", "5/minute")).toMatchObject({ source: "local" });
  await vi.waitFor(() => expect(limiter.health().state).toBe("closed"), 20_000);
  expect(await limiter.peek("later", "5/minute")).toMatchObject({ source: "module", remaining: 5 });
  limiter.close();
  client.disconnect();
});

test("is of use to nobody where there is no setImmediate, and does no harm", async () => {
  vi.resetModules();
  vi.stubGlobal("setImmediate", undefined);
  try {
    const { Batch: Other } = await import("../../src/clients/batch.ts");
    const cork = vi.fn();
    const call = vi.fn(async () => "OK");
    const batch = new Other({ status: "ready", stream: { cork }, call });
    expect(await batch.send(["PING"])).toBe("OK");
    expect(cork).not.toHaveBeenCalled();
  } finally {
    vi.unstubAllGlobals();
  }
});
