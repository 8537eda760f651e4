import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { type LimiterDecision, RateLimiter, type RateLimiterOptions } from "../../src/index.ts";
import { LIBRARIES, type Opened } from "../support/libraries.ts";
import { RedisServer } from "../support/redis-server.ts";

/** Longer than a busy machine needs to answer. */
const LONG_MS = 5000;
const waits = { timeout: 20_000, interval: 20 };

let server: RedisServer;
const opened: { close(): void }[] = [];
let count = 0;

beforeAll(async () => {
  server = await RedisServer.start();
});
afterEach(() => {
  for (const one of opened.splice(0)) {
    one.close();
  }
});
afterAll(async () => {
  await server.stop();
});

/** A key that no other test uses. */
function newKey(): string {
  return `key:${count++}`;
}

async function open(library: string, url: string = server.url): Promise<Opened> {
  const client = (await LIBRARIES[library]?.(url)) as Opened;
  opened.push(client);
  return client;
}

function isPool(library: string): boolean {
  return library.startsWith("pool");
}

function limiterOf(client: Opened, options: RateLimiterOptions = {}): RateLimiter {
  const limiter = new RateLimiter(client.client, {
    timeoutMs: LONG_MS,
    probeMinIntervalMs: 10,
    probeMaxIntervalMs: 50,
    onEvent: () => {},
    ...options,
  });
  opened.push(limiter);
  return limiter;
}

// The libraries that hold commands back until the end of the turn, and do not send them if they are aborted.
test.each(["node-redis 6", "node-redis 5"])(
  "%s: a command that was not sent in time is not sent later",
  async (library) => {
    const limiter = limiterOf(await open(library), { timeoutMs: 50 });
    const key = newKey();
    await vi.waitFor(async () => {
      expect(await limiter.peek(key, "9/minute")).toMatchObject({ source: "module" });
    }, waits);
    // The process is blocked before the library writes the command.
    const decision = await new Promise<LimiterDecision>((resolve) => {
      setImmediate(() => {
        limiter.check(key, "9/minute").then(resolve);
        const end = performance.now() + 150;
        while (performance.now() < end);
      });
    });
    expect(decision).toMatchObject({ source: "local" });
    expect(limiter.health().shards[0]?.opened).toBe(0);
    await vi.waitFor(async () => {
      expect(await limiter.peek(key, "9/minute")).toMatchObject({ source: "module", remaining: 9 });
    }, waits);
  },
);

describe.each(Object.keys(LIBRARIES))("%s", (library) => {
  // node-redis 4 forgets a command that is aborted, also one that was sent.
  test.skipIf(library === "node-redis 4")(
    "a reply that came while the process was blocked counts",
    async () => {
      const timeoutMs = 1000;
      const limiter = limiterOf(await open(library), { timeoutMs });
      const key = newKey();
      await vi.waitFor(async () => {
        expect(await limiter.peek(key, "9/minute")).toMatchObject({ source: "module" });
      }, waits);
      const pending = limiter.check(key, "9/minute");
      // The library writes the command at the end of the turn.
      for (let turn = 0; turn < 3; turn++) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      const end = performance.now() + timeoutMs + 200;
      while (performance.now() < end);
      expect(await pending).toMatchObject({ source: "module", remaining: 8 });
    },
  );

  test("the module decides, from the first check on", async () => {
    const limiter = limiterOf(await open(library));
    const key = newKey();
    const { allowed, limit, remaining, windowMs, source } = await limiter.check(key, "2/minute");
    expect({ allowed, limit, remaining, windowMs, source }).toEqual({
      allowed: true,
      limit: 2,
      remaining: 1,
      windowMs: 60_000,
      source: "module",
    });
    expect(await limiter.check(key, "2/minute", { cost: 3 })).toMatchObject({
      allowed: false,
      retryAfterMs: null,
    });
    expect(await limiter.peek(key, "2/minute")).toMatchObject({ allowed: true, remaining: 1 });
    expect(await limiter.refund(key)).toBe(1);
    expect(await limiter.check(key, "5/minute; 9/hour", { cost: 2 })).toMatchObject({
      limit: 5,
      remaining: 3,
    });
    expect(await limiter.reset(key)).toBe(2);
    expect(limiter.health()).toMatchObject({ state: "closed" });
    const isNamed = library !== "valkey-glide" && !isPool(library);
    const name = isNamed ? `127.0.0.1:${server.port}` : "the server";
    expect(limiter.health().shards[0]?.server).toBe(name);
  });

  test("checks of several keys are all recorded, or none", async () => {
    const limiter = limiterOf(await open(library), { prefix: "prefix:" });
    const [first, second] = [newKey(), newKey()];
    for (const rules of ["1/minute", "1/minute; 9/hour"]) {
      const checks = [
        { key: first, rules: "9/minute" },
        { key: second, rules },
      ];
      expect((await limiter.checkAll(checks)).map(({ allowed }) => allowed)).toEqual([true, true]);
      expect((await limiter.checkAll(checks)).map(({ allowed }) => allowed)).toEqual([true, false]);
      expect(await limiter.reset(first)).toBe(1);
      expect(await limiter.reset(second)).toBe(1);
    }
    expect(await limiter.checkAll([])).toEqual([]);
  });

  test("errors of the server are errors of the caller, and it stays available", async () => {
    const limiter = limiterOf(await open(library), { failureThreshold: 1 });
    const error = await limiter.check(newKey(), "9999999/minute").catch((error) => error);
    expect(error).toMatchObject({ name: "LimiterError", code: "rejected" });
    expect(error.message).toMatch(/^ERR limit '9999999'/);
    await expect(limiter.check(newKey(), { policy: "none" })).rejects.toMatchObject({
      code: "no-policy",
    });
    expect(limiter.health().state).toBe("closed");
  });

  test("a killed server is replaced by this process at once, and found when it is back", async () => {
    const own = await RedisServer.start();
    opened.push({ close: () => void own.stop() });
    const events: string[] = [];
    const limiter = limiterOf(await open(library, own.url), {
      timeoutMs: 1000,
      // A command that was about to be written when the connection closed may cost a timeout.
      onEvent: ({ name }) => name !== "unanswered" && events.push(name),
    });
    const key = newKey();
    await limiter.ready();
    expect(await limiter.check(key, "9/minute")).toMatchObject({ source: "module" });
    await own.kill();
    await vi.waitFor(async () => {
      expect(await limiter.check(key, "9/minute")).toMatchObject({ source: "local" });
    }, waits);
    const unanswered = () => limiter.health().shards[0]?.unanswered ?? 0;
    const before = unanswered();
    for (let n = 0; n < 100; n++) {
      expect(await limiter.check(`other:${n}`, "9/minute")).toMatchObject({ source: "local" });
    }
    // Only those that a connection took as it closed wait for the server.
    expect(unanswered() - before).toBeLessThan(50);
    expect(limiter.health().state).not.toBe("closed");
    await own.restart();
    await vi.waitFor(() => expect(limiter.health().state).toBe("closed"), waits);
    expect(await limiter.check(key, "9/minute")).toMatchObject({ source: "module", remaining: 8 });
    await vi.waitFor(() => expect(events).toEqual(["server_unavailable", "server_recovered"]));
  });

  test("checks under load get decisions while the server is killed and comes back", async () => {
    const own = await RedisServer.start();
    opened.push({ close: () => void own.stop() });
    const limiter = limiterOf(await open(library, own.url), { timeoutMs: 1000 });
    await limiter.ready();
    const counts = new Map<string, number>();
    let isOver = false;
    const load = Array.from({ length: 16 }, async (_, worker) => {
      while (!isOver) {
        const { source, limit } = await limiter.check(`load:${worker}`, "1000000/minute");
        expect(limit).toBe(1_000_000);
        counts.set(source, (counts.get(source) ?? 0) + 1);
        // Decisions of this process need no input, and would leave no time for any.
        await new Promise(setImmediate);
      }
    });
    const untilMore = async (source: "module" | "local") => {
      const before = counts.get(source) ?? 0;
      await vi.waitFor(() => expect(counts.get(source)).toBeGreaterThan(before + 200), waits);
    };
    await untilMore("module");
    await own.kill();
    await untilMore("local");
    await own.restart();
    await untilMore("module");
    isOver = true;
    await Promise.all(load);
    expect([...counts.keys()].toSorted()).toEqual(["local", "module"]);
  });

  test("a server that does not answer costs timeouts until the breaker opens", async () => {
    const own = await RedisServer.start();
    opened.push({ close: () => void own.stop() });
    const limiter = limiterOf(await open(library, own.url), {
      timeoutMs: 200,
      failureThreshold: 3,
    });
    await vi.waitFor(async () => {
      expect(await limiter.check(newKey(), "9/minute")).toMatchObject({ source: "module" });
    }, waits);
    // The first check may have taken longer than its time.
    const before = limiter.health().shards[0]?.unanswered ?? 0;
    own.suspend();
    const key = newKey();
    const decisions = [];
    for (let n = 0; n < 5; n++) {
      decisions.push(await limiter.check(key, "9/minute"));
    }
    expect(decisions.map(({ source, remaining }) => [source, remaining])).toEqual([
      ["local", 8],
      ["local", 7],
      ["local", 6],
      ["local", 5],
      ["local", 4],
    ]);
    expect(limiter.health().shards[0]).toMatchObject({ opened: 1, unanswered: before + 2 });
    own.resume();
    await vi.waitFor(() => expect(limiter.health().state).toBe("closed"), waits);
    const { remaining, source } = await limiter.peek(key, "9/minute");
    expect(source).toBe("module");
    // The server had read the three checks. A pool sends the second when it has another connection.
    expect(isPool(library) ? [6, 7, 8] : [6]).toContain(remaining);
  });

  test("a check that was not answered is not sent again", async () => {
    const own = await RedisServer.start();
    opened.push({ close: () => void own.stop() });
    const limiter = limiterOf(await open(library, own.url), { timeoutMs: 500 });
    await vi.waitFor(async () => {
      expect(await limiter.check(newKey(), "9/minute")).toMatchObject({ source: "module" });
    }, waits);
    own.suspend();
    const key = newKey();
    expect(await limiter.check(key, "9/minute")).toMatchObject({ source: "local" });
    await own.kill();
    await own.restart();
    // The new server has counted nothing.
    await vi.waitFor(async () => {
      const { remaining, source } = await limiter.peek(key, "9/minute");
      expect([source, remaining]).toEqual(["module", 9]);
    }, waits);
  });

  // valkey-glide holds commands back while it connects, at most its `requestTimeout`.
  test.skipIf(library === "valkey-glide")(
    "a check without a connection does not wait for one, and is not sent later",
    async () => {
      const own = await RedisServer.start();
      opened.push({ close: () => void own.stop() });
      await own.kill();
      const limiter = limiterOf(await open(library, own.url), { timeoutMs: 50 });
      const key = newKey();
      expect(await limiter.check(key, "9/minute")).toMatchObject({ source: "local" });
      await own.restart();
      await vi.waitFor(async () => {
        const decision = await limiter.peek(key, "9/minute");
        expect(decision).toMatchObject({ source: "module", remaining: 9 });
      }, waits);
    },
  );
});
