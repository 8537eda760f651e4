import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  type Check,
  type Client,
  LimiterError,
  type LimiterEvent,
  LocalLimiter,
  ParseRulesError,
  RateLimiter,
  type RateLimiterOptions,
  Rules,
} from "../../src/index.ts";
import { hashSlot } from "../../src/limiter/hash-slot.ts";
import { ALLOWED, DENIED, FakeClient, FakeCluster } from "../support/fake-clients.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function limiterOf(client: Client, options: RateLimiterOptions = {}) {
  const events: LimiterEvent[] = [];
  const limiter = new RateLimiter(client, { onEvent: (event) => events.push(event), ...options });
  return { limiter, events };
}

/** Never settles. */
const silence = () => new Promise(() => {});
const lost = () => new Error("Connection is closed.");

function keyIn(isWanted: (slot: number) => boolean): string {
  for (let n = 0; ; n++) {
    if (isWanted(hashSlot(`key:${n}`))) {
      return `key:${n}`;
    }
  }
}

/** A key of one of two shards. */
function keyOf(shard: number): string {
  return keyIn((slot) => Math.floor(slot / 8192) === shard);
}

/** The reply to `RL.STATS`. */
function statsReply(checks: number): unknown {
  const counts = ["checks", checks, "allowed", checks, "denied", 0, "shadow_denied", 0];
  return [...counts, "overridden", 0, "near", 0, "policies", []];
}

describe("a limiter", () => {
  test("puts the prefix before keys, and sends limits and windows", async () => {
    const client = new FakeClient(() => ALLOWED);
    const { limiter } = limiterOf(client, { prefix: "app:" });
    await limiter.check("a", "5/second; 9/1500ms", { cost: 2 });
    await limiter.peek("a", { policy: "gold" });
    await limiter.check("a", Rules.parse("1/w"));
    expect(client.sent.filter(([name]) => name !== "RL.POLICY")).toEqual([
      ["RL.CHECK", "app:a", "5", "1000ms", "9", "1500ms", "COST", "2"],
      ["RL.PEEK", "app:a", "POLICY", "gold"],
      ["RL.CHECK", "app:a", "1", "604800000ms"],
    ]);
  });

  test("remembers the rules of texts, a bounded number of them", async () => {
    const { limiter } = limiterOf("memory://" as never);
    for (let n = 1; n <= 1500; n++) {
      expect((await limiter.check("key", `${n}/minute`)).limit).toBe(n);
    }
    expect((await limiter.check("key", "1/minute")).limit).toBe(1);
  });

  test.each(["call", "status"])(
    "counts an error that the library throws at once at %s as no answer",
    async (name) => {
      const client = new FakeClient(() => ALLOWED);
      const { limiter } = limiterOf(client);
      await limiter.check("a", "5/second");
      Object.defineProperty(client, name, {
        get: () => {
          throw lost();
        },
      });
      expect((await limiter.check("a", "5/second")).source).toBe("local");
      expect(limiter.health().state).not.toBe("closed");
      limiter.close();
    },
  );

  test("does not count a late reply as an answer", async () => {
    const replies: ((reply: unknown) => void)[] = [];
    const client = new FakeClient(() => () => new Promise((resolve) => replies.push(resolve)));
    const { limiter } = limiterOf(client, { failureThreshold: 2, timeoutMs: 100 });
    await limiter.ready();
    client.probeAnswer = () => lost();
    for (const isClosed of [true, false]) {
      const checked = limiter.check("a", "5/second");
      await vi.advanceTimersByTimeAsync(100);
      expect((await checked).source).toBe("local");
      expect(limiter.health().state === "closed").toBe(isClosed);
      replies.shift()?.(ALLOWED);
      await vi.advanceTimersByTimeAsync(0);
    }
    limiter.close();
  });

  test("rejects wrong arguments", async () => {
    const { limiter } = limiterOf("memory://" as never);
    await expect(limiter.check("a", "1/month")).rejects.toThrow(ParseRulesError);
    await expect(limiter.refund("a", { cost: 0 })).rejects.toThrow(
      new RangeError("cost must be an integer from 1 to 4294967295, not 0"),
    );
    await expect(limiter.checkAll([], { cost: 1.5 })).rejects.toThrow(RangeError);
    expect(() => new RateLimiter({} as never)).toThrow(
      new TypeError("expected a client of node-redis, ioredis, iovalkey or valkey-glide"),
    );
    expect(() => new RateLimiter(null as never)).toThrow(TypeError);
    for (const [options, message] of [
      [{ timeoutMs: 0 }, "timeoutMs must be an integer from 1 to 2147483646, not 0"],
      [{ instances: 0.5 }, "instances must be an integer from 1 to 4294967295, not 0.5"],
      [{ failureThreshold: 0 }, "failureThreshold must be"],
      [{ localMaxBytes: 0 }, "maxBytes must be positive, not 0"],
      [
        { fallback: "locl" as "local" },
        "fallback must be one of local, allow, deny, error, not locl",
      ],
      [{ backend: "modul" as "module" }, "backend must be one of auto, module, script, not modul"],
      [{ denyCache: -1 }, "denyCache must be an integer from 0 to 16777215, not -1"],
      [
        { probeMinIntervalMs: 100, probeMaxIntervalMs: 99 },
        "probeMaxIntervalMs must be an integer from 100 to",
      ],
      [{ localMaxBytes: -1 }, "maxBytes must be positive"],
    ] as const) {
      expect(() => new RateLimiter("memory://", options)).toThrow(message);
    }
    expect(() => new RateLimiter("memory://", { policies: { a: "x" } })).toThrow(ParseRulesError);
  });

  test("without a server has no policies, overrides and counts to read", async () => {
    const { limiter } = limiterOf("memory://" as never, { localMaxBytes: 1_000_000 });
    expect(await limiter.ready()).toBe(true);
    const code = (operation: Promise<unknown>) => operation.catch(({ code }) => code);
    expect(
      await Promise.all([
        code(limiter.policies.list()),
        code(limiter.overrides.get("a")),
        code(limiter.overrides.list().next()),
        code(limiter.stats()),
        code(limiter.top("denied")),
        code(limiter.hits("a")),
        code(limiter.explain("a", "1/minute")),
      ]),
    ).toEqual(Array(7).fill("needs-module"));
    expect(limiter.health()).toEqual({ state: "closed", shards: [] });
    limiter.close();
  });

  test("without a server checks a key twice as if it had been recorded once", async () => {
    const { limiter } = limiterOf("memory://" as never);
    const twice = (rules: string) => limiter.checkAll([1, 2].map(() => ({ key: "a", rules })));
    expect(await twice("1/minute")).toMatchObject([
      { allowed: true, remaining: 1 },
      { allowed: false, remaining: 1 },
    ]);
    expect(await twice("2/minute")).toMatchObject([
      { allowed: true, remaining: 1 },
      { allowed: true, remaining: 0 },
    ]);
  });

  test("uses the system's time", async () => {
    vi.useRealTimers();
    const { limiter } = limiterOf("memory://" as never);
    expect(await limiter.check("a", "1/minute")).toMatchObject({ allowed: true, source: "local" });
    const { retryAfterMs } = await limiter.check("a", "1/minute");
    expect(retryAfterMs).toBeGreaterThan(50_000);
    expect(retryAfterMs).toBeLessThanOrEqual(60_000);
  });

  test("writes events to the console by default", async () => {
    const [warn, info] = (["warn", "info"] as const).map((level) =>
      vi.spyOn(console, level).mockImplementation(() => {}),
    );
    const client = new FakeClient(lost);
    const limiter = new RateLimiter(client);
    await limiter.check("a", "1/minute");
    expect(warn?.mock.calls).toEqual([
      ["ratelog: server_unavailable", { server: "the server", error: "Connection is closed." }],
    ]);
    await vi.runAllTimersAsync();
    expect(info?.mock.calls).toEqual([["ratelog: server_recovered", { server: "the server" }]]);
    vi.restoreAllMocks();
  });

  test("runs where timers are numbers", async () => {
    vi.useRealTimers();
    const { setTimeout } = globalThis;
    const timers = vi.fn((run: () => void, ms: number) => Number(setTimeout(run, ms)));
    vi.stubGlobal("setTimeout", timers);
    const client = new FakeClient(lost);
    const { limiter } = limiterOf(client);
    expect((await limiter.check("a", "1/minute")).source).toBe("local");
    limiter.close();
    vi.unstubAllGlobals();
    expect(timers).toHaveBeenCalled();
  });

  test("is not disturbed by an error of onEvent", async () => {
    const error = vi.spyOn(console, "error").mockImplementation(() => {});
    const thrown = new Error("in the caller's function");
    const { limiter } = limiterOf(new FakeClient(lost), {
      onEvent: () => {
        throw thrown;
      },
    });
    expect((await limiter.check("a", "1/minute")).source).toBe("local");
    expect(error.mock.calls).toEqual([["ratelog: onEvent failed", thrown]]);
    vi.restoreAllMocks();
  });

  test("is not disturbed by an onEvent that is async and rejects", async () => {
    const error = vi.spyOn(console, "error").mockImplementation(() => {});
    const thrown = new Error("in the caller's function");
    const { limiter } = limiterOf(new FakeClient(lost), {
      onEvent: async () => {
        throw thrown;
      },
    });
    expect((await limiter.check("a", "1/minute")).source).toBe("local");
    await vi.advanceTimersByTimeAsync(0);
    expect(error.mock.calls).toEqual([["ratelog: onEvent failed", thrown]]);
    vi.restoreAllMocks();
  });

  test("after its end leaves no timers", async () => {
    const client = new FakeClient(lost);
    const { limiter } = limiterOf(client);
    await limiter.check("a", "1/minute");
    expect(vi.getTimerCount()).toBe(1);
    limiter.close();
    expect(vi.getTimerCount()).toBe(0);
    client.status = "end";
    const { limiter: slow } = limiterOf(new FakeClient(() => silence), { failureThreshold: 1 });
    const check = slow.check("a", "1/minute");
    await vi.advanceTimersByTimeAsync(0);
    slow.close();
    await vi.advanceTimersByTimeAsync(100);
    expect([(await check).source, vi.getTimerCount()]).toEqual(["local", 0]);
    const closed = limiterOf(client);
    closed.limiter.close();
    await vi.runAllTimersAsync();
    expect([vi.getTimerCount(), closed.events]).toEqual([0, []]);
  });
});

describe("an unavailable server", () => {
  test("is an error with the fallback error, and the cause is the library's", async () => {
    const client = new FakeClient(lost);
    const { limiter } = limiterOf(client, { fallback: "error" });
    const error = await limiter.check("a", "1/minute").catch((error) => error);
    expect(error).toBeInstanceOf(LimiterError);
    expect(error).toMatchObject({
      name: "LimiterError",
      code: "unavailable",
      message: "the server is unavailable: Connection is closed.",
    });
    expect(error.cause.message).toBe("Connection is closed.");
    await expect(limiter.refund("a")).rejects.toMatchObject({ code: "unavailable" });
    expect(client.sent).toHaveLength(1);
  });

  test("takes units back where they were recorded, in an outage and after it", async () => {
    let isLost = false;
    const answer = (command: readonly string[]) =>
      isLost ? lost() : command[0] === "RL.REFUND" ? 1 : ALLOWED;
    const client = new FakeClient(answer);
    const { limiter } = limiterOf(client, { failureThreshold: 1, denyCache: 10 });
    expect(await limiter.check("a", "5/minute")).toMatchObject({ source: "module" });
    isLost = true;
    for (let n = 0; n < 2; n++) {
      expect(await limiter.check("a", "9/hour")).toMatchObject({ source: "local" });
    }
    for (const source of ["module", "script"] as const) {
      await expect(limiter.refund("a", { source })).rejects.toMatchObject({ code: "unavailable" });
    }
    expect(await limiter.refund("a", { cost: 9, source: "fallback" })).toBe(0);
    expect(await limiter.refund("a", { cost: 9, source: "deny-cache" })).toBe(0);
    expect(await limiter.refund("a")).toBe(1);
    isLost = false;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(await limiter.check("a", "5/minute")).toMatchObject({ source: "module" });
    client.sent.length = 0;
    expect(await limiter.refund("a", { cost: 9, source: "local" })).toBe(1);
    expect(client.sent).toEqual([]);
    expect(await limiter.refund("a", { source: "module" })).toBe(1);
    expect(client.sent).toEqual([["RL.REFUND", "a"]]);
  });

  test("takes units back as the first operation, and only from the log of their source", async () => {
    const client = new FakeClient(([name]) => (name === "RL.REFUND" ? 1 : ALLOWED));
    expect(await limiterOf(client).limiter.refund("a", { source: "module" })).toBe(1);
    // Without the module: the unit was recorded before the server was replaced.
    expect(await limiterOf(client).limiter.refund("a", { source: "script" })).toBe(0);
    const plain = new FakeClient(([name]) => (name === "EVALSHA" ? 1 : ALLOWED));
    plain.probeAnswer = () => new Error("ERR unknown command 'RL.REFUND'");
    expect(await limiterOf(plain).limiter.refund("a", { source: "module" })).toBe(0);
    expect(await limiterOf(plain).limiter.refund("a", { source: "script" })).toBe(1);
  });

  test("is not one that a library's own time for a command ends once", async () => {
    for (const message of ["Command timed out", "Timeout waiting for a client after 9ms"]) {
      const client = new FakeClient(() => new Error(message));
      const { limiter, events } = limiterOf(client, { failureThreshold: 3 });
      await limiter.ready();
      for (let n = 0; n < 3; n++) {
        expect(limiter.health().state).toBe("closed");
        expect((await limiter.check("a", "9/minute")).source).toBe("local");
      }
      expect(limiter.health().state).not.toBe("closed");
      expect(events.map(({ name }) => name)).toEqual(["unanswered", "server_unavailable"]);
    }
  });

  test("is found also between errors that need no server", async () => {
    const client = new FakeClient(() => silence);
    const { limiter } = limiterOf(client, {
      backend: "script",
      failureThreshold: 3,
      timeoutMs: 40,
    });
    await limiter.ready();
    for (let n = 0; n < 3; n++) {
      expect(limiter.health().state).toBe("closed");
      const check = limiter.check("a", "9/minute");
      await expect(limiter.check("a", { policy: "gold" })).rejects.toMatchObject({
        code: "no-policy",
      });
      await expect(limiter.explain("a", "9/minute")).rejects.toMatchObject({
        code: "needs-module",
      });
      await vi.advanceTimersByTimeAsync(40);
      expect((await check).source).toBe("local");
    }
    expect(limiter.health().state).not.toBe("closed");
  });

  test("costs at the start one timeout, together for all checks", async () => {
    const client = new FakeClient(() => ALLOWED);
    client.status = "connecting";
    const { limiter } = limiterOf(client, { timeoutMs: 50 });
    const checks = [limiter.check("a", "9/minute"), limiter.check("a", "9/minute")];
    await vi.advanceTimersByTimeAsync(49);
    const settled = vi.fn();
    Promise.any(checks).then(settled);
    await vi.advanceTimersByTimeAsync(0);
    expect(settled).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect((await Promise.all(checks)).map(({ source }) => source)).toEqual(["local", "local"]);
    expect((await limiter.check("a", "9/minute")).source).toBe("local");
    const ready = limiter.ready();
    client.status = "ready";
    await vi.advanceTimersByTimeAsync(1000);
    expect(await ready).toBe(true);
    expect((await limiter.check("a", "9/minute")).source).toBe("module");
    expect(client.sent).toHaveLength(1);
  });

  test("is not sent commands while the library has no connection", async () => {
    const client = new FakeClient(() => ALLOWED);
    const { limiter, events } = limiterOf(client);
    await limiter.check("a", "9/minute");
    client.status = "reconnecting";
    const { source } = await limiter.check("a", "9/minute");
    expect([source, client.sent.length]).toEqual(["local", 1]);
    expect(events).toEqual([
      { name: "server_unavailable", server: "the server", error: "the client is not connected" },
    ]);
  });

  test("is one that has no module and takes no writes", async () => {
    const client = new FakeClient(() => ALLOWED);
    client.probeAnswer = ([name]) =>
      new Error(name === "UNLINK" ? "READONLY a replica" : "ERR unknown command 'RL.REFUND'");
    const { limiter, events } = limiterOf(client);
    expect((await limiter.check("a", "9/minute")).source).toBe("local");
    expect(events).toEqual([
      { name: "server_unavailable", server: "the server", error: "READONLY a replica" },
    ]);
    expect(await limiter.ready()).toBe(false);
  });

  test("without the module is asked for it every thirty seconds", async () => {
    const unknown = new Error("ERR unknown command 'RL.REFUND'");
    const client = new FakeClient(() => ALLOWED);
    client.probeAnswer = ([name]) => (name === "UNLINK" ? 0 : unknown);
    const { limiter, events } = limiterOf(client);
    const sourceAfter = async (ms: number) => {
      await vi.advanceTimersByTimeAsync(ms);
      await limiter.check("a", "9/minute");
      await vi.advanceTimersByTimeAsync(0);
      return (await limiter.check("a", "9/minute")).source;
    };
    expect(await sourceAfter(0)).toBe("script");
    client.probeAnswer = () => 0;
    expect(await sourceAfter(29_999)).toBe("script");
    client.probeAnswer = () => new Error("LOADING Redis is loading the dataset in memory");
    expect(await sourceAfter(1)).toBe("script");
    client.probeAnswer = () => 0;
    expect(await sourceAfter(29_999)).toBe("script");
    expect(await sourceAfter(1)).toBe("module");
    expect([events, limiter.health().state]).toEqual([[], "closed"]);
  });

  test("is asked for no module if the script is chosen", async () => {
    const client = new FakeClient(() => ALLOWED);
    const { limiter } = limiterOf(client, { backend: "script" });
    for (const ms of [0, 30_000, 60_000]) {
      await vi.advanceTimersByTimeAsync(ms);
      expect((await limiter.check("a", "9/minute")).source).toBe("script");
    }
  });

  test("is one whose keys cannot be had together, unless it is a cluster", async () => {
    const moving = new Error("TRYAGAIN Multiple keys request during rehashing of slot");
    const client = new FakeClient(() => moving);
    const { limiter } = limiterOf(client);
    const checks = ["a", "b"].map((key) => ({ key, rules: "9/minute" }));
    expect((await limiter.checkAll(checks)).map(({ source }) => source)).toEqual([
      "local",
      "local",
    ]);
    expect(client.sent).toHaveLength(1);
  });

  test("is connected to, if the library connects when it is used", async () => {
    const client = new FakeClient(() => ALLOWED);
    client.status = "wait";
    const { limiter } = limiterOf(client);
    const check = limiter.check("a", "9/minute");
    await vi.advanceTimersByTimeAsync(100);
    expect((await check).source).toBe("module");
  });

  test("that fails at checks and answers probes is probed with growing pauses", async () => {
    const client = new FakeClient(lost);
    const { limiter, events } = limiterOf(client, { probeMinIntervalMs: 10 });
    const pauses: number[] = [];
    for (let n = 0; n < 6; n++) {
      await vi.waitFor(() => expect(limiter.health().state).toBe("closed"));
      expect((await limiter.check("a", "9/minute")).source).toBe("local");
      const started = performance.now();
      while (limiter.health().state !== "closed") {
        await vi.advanceTimersToNextTimerAsync();
      }
      pauses.push(performance.now() - started);
    }
    for (const [index, pause] of pauses.entries()) {
      expect(pause).toBeGreaterThanOrEqual(10 * 2 ** index - 1);
      expect(pause).toBeLessThanOrEqual(20 * 2 ** index + 1);
    }
    expect(events.filter(({ name }) => name === "server_unavailable")).toHaveLength(6);
    await vi.advanceTimersByTimeAsync(20_000);
    await limiter.check("a", "9/minute");
    await vi.advanceTimersByTimeAsync(0);
    expect(limiter.health().state).toBe("closed");
  });

  test("is reported as unanswered at most once in ten seconds while the breaker is closed", async () => {
    const client = new FakeClient(silence);
    const { limiter, events } = limiterOf(client, { failureThreshold: 100, timeoutMs: 10 });
    for (let n = 0; n < 3; n++) {
      const check = limiter.check("a", "9/minute");
      await vi.advanceTimersByTimeAsync(10);
      await check;
    }
    await vi.advanceTimersByTimeAsync(10_000);
    const check = limiter.check("a", "9/minute");
    await vi.advanceTimersByTimeAsync(10);
    await check;
    const error = "the server did not answer in 10 ms";
    const server = "the server";
    expect(events).toEqual([
      { name: "unanswered", server, error, total: 1 },
      { name: "unanswered", server, error, total: 4 },
    ]);
    expect(limiter.health().shards).toEqual([
      {
        server,
        state: "closed",
        since: expect.any(Number),
        lastError: error,
        opened: 0,
        unanswered: 4,
        usesScript: false,
      },
    ]);
  });

  test("is sent nothing more by an operation whose time is over", async () => {
    let answer = (_: unknown) => {};
    const late = () => new Promise((resolve) => (answer = resolve));
    const unknown = new Error("ERR unknown command 'RL.CHECK'");
    const client = new FakeClient(() => late);
    const { limiter } = limiterOf(client, { timeoutMs: 10 });
    const check = limiter.check("a", "9/minute");
    await vi.advanceTimersByTimeAsync(10);
    expect((await check).source).toBe("local");
    answer(unknown);
    await vi.advanceTimersByTimeAsync(0);
    expect(client.sent.map(([name]) => name)).toEqual(["RL.CHECK"]);
  });
});

describe("checks of several keys", () => {
  test("are a check if there is one, and use the deny cache", async () => {
    const client = new FakeClient(() => DENIED);
    const { limiter } = limiterOf(client, { denyCache: 10 });
    const one = [{ key: "a", rules: "5/second; 9/minute" }];
    expect(await limiter.checkAll(one)).toMatchObject([{ source: "module" }]);
    expect(await limiter.checkAll(one)).toMatchObject([{ source: "deny-cache" }]);
    expect(client.sent.map(([name]) => name)).toEqual(["RL.CHECK"]);
  });

  test("read the rules of their policies, for when the server is unavailable", async () => {
    const policy = { mode: "enforce", rules: [[3, 60_000]] };
    const client = new FakeClient(([name]) => (name === "RL.POLICY" ? policy : [ALLOWED, ALLOWED]));
    const { limiter } = limiterOf(client);
    const checks = [
      { key: "a", rules: { policy: "gold" } },
      { key: "b", rules: "9/minute" },
    ];
    await limiter.checkAll(checks);
    await vi.advanceTimersByTimeAsync(0);
    client.answer = lost;
    expect(await limiter.checkAll(checks)).toMatchObject([
      { limit: 3, source: "local" },
      { limit: 9, source: "local" },
    ]);
  });

  test("have one decision for each key", async () => {
    const { limiter } = limiterOf(new FakeClient(() => [ALLOWED]));
    const checks = ["a", "b"].map((key) => ({ key, rules: "9/minute" }));
    await expect(limiter.checkAll(checks)).rejects.toMatchObject({
      code: "invalid-reply",
      message: "the reply to RL.MCHECK is invalid: it does not have 2 items",
    });
  });

  test("without a server are all recorded, or none, also with several rules", async () => {
    const { limiter } = limiterOf("memory://" as never);
    const checks = [
      { key: "a", rules: "9/minute; 99/hour" },
      { key: "b", rules: "1/minute; 9/hour" },
    ];
    expect((await limiter.checkAll(checks)).map(({ allowed }) => allowed)).toEqual([true, true]);
    expect((await limiter.checkAll(checks)).map(({ remaining }) => remaining)).toEqual([8, 0]);
    expect(await limiter.refund("a", { cost: 9 })).toBe(1);
  });
});

describe("a policy", () => {
  test("that the user may not read is not fetched again for a minute", async () => {
    const denied = new Error("NOPERM this user has no permissions");
    const client = new FakeClient(([name]) => (name === "RL.POLICY" ? denied : ALLOWED));
    const { limiter } = limiterOf(client);
    for (let n = 0; n < 3; n++) {
      await limiter.check("a", { policy: "gold" });
      await vi.advanceTimersByTimeAsync(0);
    }
    expect(client.sent.filter(([name]) => name === "RL.POLICY")).toHaveLength(1);
  });

  test("that could not be read is fetched again, and one of another form is left out", async () => {
    const loading = new Error("LOADING Redis is loading the dataset in memory");
    const client = new FakeClient(([name]) => (name === "RL.POLICY" ? loading : ALLOWED));
    const { limiter } = limiterOf(client);
    const fetches = async () => {
      await limiter.check("a", { policy: "gold" });
      await vi.advanceTimersByTimeAsync(0);
      return client.sent.filter(([name]) => name === "RL.POLICY").length;
    };
    expect([await fetches(), await fetches()]).toEqual([1, 2]);
    client.answer = ([name]) => (name === "RL.POLICY" ? "nonsense" : ALLOWED);
    expect([await fetches(), await fetches()]).toEqual([3, 3]);
    expect(limiter.health().state).toBe("closed");
  });

  test("in shadow mode records nothing in this process if another key is denied", async () => {
    const shadow = { mode: "shadow", rules: [[9, 60_000]] };
    const client = new FakeClient(([name]) => (name === "RL.POLICY" ? shadow : ALLOWED));
    const { limiter } = limiterOf(client);
    await limiter.check("a", { policy: "trial" });
    await vi.advanceTimersByTimeAsync(0);
    client.answer = lost;
    const checks = [
      { key: "a", rules: { policy: "trial" } },
      { key: "b", rules: "0/minute" },
    ];
    const remaining = async () => (await limiter.checkAll(checks)).map((one) => one.remaining);
    expect([await remaining(), await remaining()]).toEqual([
      [9, 0],
      [9, 0],
    ]);
  });

  test("in shadow mode prevents nothing with the script either", async () => {
    const gone = new Error("ERR unknown command 'RL.MCHECK'");
    const shadow = { mode: "shadow", rules: [[1, 60_000]] };
    const client = new FakeClient(([name]) => (name === "RL.POLICY" ? shadow : ALLOWED));
    const { limiter } = limiterOf(client);
    await limiter.check("a", { policy: "trial" });
    await vi.advanceTimersByTimeAsync(0);
    const operations: (string | undefined)[] = [];
    let first = [ALLOWED];
    let shadowReply: unknown = DENIED;
    client.answer = ([name, , , , operation]) => {
      if (name !== "EVALSHA") {
        return gone;
      }
      operations.push(operation);
      return operation === "mcheck" ? first : shadowReply;
    };
    const checks = [
      { key: "a", rules: { policy: "trial" } },
      { key: "b", rules: "9/minute" },
    ];
    const allowed = async () => (await limiter.checkAll(checks)).map(({ allowed }) => allowed);
    expect(await allowed()).toEqual([true, true]);
    first = [DENIED];
    expect(await allowed()).toEqual([true, false]);
    const shadowOnly = ["a", "c"].map((key) => ({ key, rules: { policy: "trial" } }));
    expect(await limiter.checkAll(shadowOnly)).toMatchObject([
      { allowed: true },
      { allowed: true },
    ]);
    expect(operations).toEqual(["mcheck", "check", "mcheck", "peek", "check", "check"]);
    // The server rejects the check under the policy, after it has recorded the other.
    first = [ALLOWED];
    shadowReply = new Error("WRONGTYPE Operation against a key holding the wrong kind of value");
    expect(await limiter.checkAll(checks)).toMatchObject([
      { allowed: true, source: "fallback", limit: 1 },
      { allowed: true, source: "script" },
    ]);
    // With two rules there is a command for each check.
    const twoRules = [checks[0] as Check, { key: "b", rules: "9/minute; 99/hour" }];
    client.answer = ([name, , , log]) =>
      name === "EVALSHA" ? (log?.startsWith("a") ? shadowReply : ALLOWED) : gone;
    expect(await limiter.checkAll(twoRules)).toMatchObject([
      { allowed: true, source: "fallback", limit: 1 },
      { allowed: true, source: "script" },
    ]);
    client.answer = ([, , , , operation]) => (operation === "mcheck" ? first : shadowReply);
    shadowReply = new Error("LOADING Redis is loading the dataset in memory");
    expect(await limiter.checkAll(checks)).toMatchObject([
      { source: "local" },
      { source: "local" },
    ]);
  });
});

describe("arguments of other types", () => {
  const wrongRules = [undefined, null, 5, {}, { limit: 5 }, [], { policy: 5 }] as never[];
  const wrongKeys = [undefined, null, 5, {}] as never[];

  test("are errors, and say nothing about the server", async () => {
    const client = new FakeClient(() => ALLOWED);
    const { limiter } = limiterOf(client);
    await limiter.ready();
    const operations = [
      ...wrongRules.flatMap((rules) => [
        () => limiter.check("a", rules),
        () => limiter.peek("a", rules),
        () => limiter.explain("a", rules),
        () => limiter.checkAll([{ key: "a", rules }]),
        () => limiter.overrides.set("a", { action: "limit", rules }),
        () => limiter.policies.set("gold", rules),
      ]),
      ...wrongKeys.flatMap((key) => [
        () => limiter.check(key, "9/minute"),
        () => limiter.checkAll([{ key, rules: "9/minute" }]),
        () => limiter.refund(key),
        () => limiter.reset(key),
        () => limiter.hits(key),
        () => limiter.overrides.get(key),
        () => limiter.overrides.delete(key),
        () => limiter.policies.get(key),
      ]),
    ];
    for (const operation of operations) {
      await expect(operation()).rejects.toThrow(/^(a key|the name of a policy|rules) must be /);
    }
    expect([client.sent, limiter.health().state]).toEqual([[], "closed"]);
  });

  test("are errors in this process, and in options", () => {
    const limiter = new LocalLimiter();
    for (const rules of wrongRules) {
      expect(() => limiter.check("a", rules)).toThrow(TypeError);
      expect(() => limiter.checkAll([{ key: "a", rules }])).toThrow(TypeError);
      expect(() => new LocalLimiter({ policies: { gold: rules } })).toThrow(TypeError);
      const client = new FakeClient(() => ALLOWED);
      expect(() => limiterOf(client, { policies: { gold: rules } })).toThrow(TypeError);
    }
    for (const key of wrongKeys) {
      expect(() => limiter.check(key, "9/minute")).toThrow(TypeError);
      expect(() => limiter.checkAll([{ key, rules: "9/minute" }])).toThrow(TypeError);
      expect(() => limiter.peek(key, "9/minute")).toThrow(TypeError);
      expect(() => limiter.reset(key)).toThrow(TypeError);
    }
    expect(limiter.size).toBe(0);
  });
});

describe("a cluster", () => {
  test("whose slot moves gets a command for each key", async () => {
    const moving = new Error("TRYAGAIN Multiple keys request during rehashing of slot");
    const cluster = new FakeCluster(([name]) => (name === "RL.MCHECK" ? moving : ALLOWED));
    const { limiter } = limiterOf(cluster, { failureThreshold: 1 });
    const checks = ["{a}:1", "{a}:2"].map((key) => ({ key, rules: "9/minute" }));
    const decisions = await limiter.checkAll(checks);
    expect(decisions.map(({ source }) => source)).toEqual(["module", "module"]);
    expect(cluster.shards[0]?.sent.map(([name]) => name)).toEqual([
      "RL.MCHECK",
      "RL.CHECK",
      "RL.CHECK",
    ]);
    expect(limiter.health().state).toBe("closed");
  });

  test("takes back what other shards have recorded, if one denies or fails", async () => {
    let second: unknown = DENIED;
    const cluster = new FakeCluster(
      ([name]) => (name === "RL.REFUND" ? 1 : ALLOWED),
      () => second,
    );
    const { limiter } = limiterOf(cluster);
    const checks = [0, 1].map((shard) => ({ key: keyOf(shard), rules: "9/minute" }));
    const first = cluster.shards[0] as FakeClient;
    expect(await limiter.checkAll(checks, { cost: 1 })).toMatchObject([
      { allowed: true, remaining: 9 },
      { allowed: false },
    ]);
    expect(first.sent.map(([name]) => name)).toEqual(["RL.CHECK", "RL.REFUND"]);
    second = new Error("WRONGTYPE Operation against a key holding the wrong kind of value");
    await expect(limiter.checkAll(checks)).rejects.toThrow("WRONGTYPE");
    expect(first.sent.map(([name]) => name).slice(2)).toEqual(["RL.CHECK", "RL.REFUND"]);
  });

  test("takes units back in this process, if they were recorded there", async () => {
    const cluster = new FakeCluster(lost, () => DENIED);
    const { limiter } = limiterOf(cluster);
    const checks = [0, 1].map((shard) => ({ key: keyOf(shard), rules: "9/minute" }));
    expect(await limiter.checkAll(checks)).toMatchObject([
      { allowed: true, remaining: 9, source: "local" },
      { allowed: false, source: "module" },
    ]);
    expect(await limiter.peek(keyOf(0), "9/minute")).toMatchObject({
      remaining: 9,
      source: "local",
    });
  });

  test("keeps the units that cannot be taken back, and says what was decided", async () => {
    const cluster = new FakeCluster(
      ([name]) => (name === "RL.REFUND" ? lost() : ALLOWED),
      () => DENIED,
    );
    const { limiter } = limiterOf(cluster, { denyCache: 10 });
    const checks = [0, 1].map((shard) => ({ key: keyOf(shard), rules: "9/minute" }));
    expect((await limiter.checkAll(checks)).map(({ allowed }) => allowed)).toEqual([true, false]);
    expect(limiter.health().shards.map(({ state }) => state)).toEqual(["open", "closed"]);
  });

  test("has one breaker for each shard, and forgets shards that own no slots", async () => {
    const cluster = new FakeCluster(
      () => ALLOWED,
      () => ALLOWED,
    );
    const { limiter } = limiterOf(cluster);
    await limiter.check(keyOf(0), "9/minute");
    await limiter.check(keyOf(1), "9/minute");
    expect(limiter.health().shards.map(({ server }) => server)).toEqual(["node:0", "node:1"]);
    (cluster.shards as FakeClient[])[1] = new FakeClient(() => ALLOWED, { host: "node", port: 2 });
    cluster.slots = cluster.slots.map(([node = ""]) => [node === "node:1" ? "node:2" : node]);
    await limiter.check(keyOf(1), "9/minute");
    expect(limiter.health().shards.map(({ server }) => server)).toEqual(["node:0", "node:2"]);
  });

  test("asks each shard for its counts after slots have moved", async () => {
    const cluster = new FakeCluster(
      ([name]) => (name === "RL.STATS" ? statsReply(5) : ALLOWED),
      ([name]) => (name === "RL.STATS" ? statsReply(7) : ALLOWED),
    );
    const { limiter } = limiterOf(cluster);
    expect((await limiter.stats()).checks).toBe(12);
    // The keys of the probes were in the first slots of each shard that have a short key.
    cluster.slots = cluster.slots.map(([node = ""], slot) => [slot < 16_000 ? "node:0" : node]);
    expect((await limiter.stats()).checks).toBe(12);
    cluster.slots = cluster.slots.map(() => ["node:0"]);
    expect((await limiter.stats()).checks).toBe(5);
  });

  test("whose shard was lost is not taken for recovered because a slot has moved", async () => {
    let isLost = false;
    const cluster = new FakeCluster(
      () => ALLOWED,
      () => (isLost ? lost() : ALLOWED),
    );
    const [first, second] = cluster.shards as [FakeClient, FakeClient];
    // The library finds the owner of a key's slot.
    cluster.call = (...command) =>
      (hashSlot(command[1] as string) >= 16_000 ? second : first).call(...command);
    second.probeAnswer = () => (isLost ? lost() : 0);
    const { limiter, events } = limiterOf(cluster, { failureThreshold: 1 });
    const key = keyIn((slot) => slot >= 16_000);
    await limiter.check(key, "9/minute");
    cluster.slots = cluster.slots.map(([node = ""], slot) => [slot < 16_000 ? "node:0" : node]);
    isLost = true;
    second.status = "reconnecting";
    for (let n = 0; n < 10; n++) {
      expect((await limiter.check(key, "9/minute")).source).toBe("local");
      await vi.advanceTimersByTimeAsync(1000);
    }
    expect(events.map(({ name }) => name)).toEqual(["server_unavailable"]);
  });

  test("of which some slots have no owner is not taken for recovered because others have one", async () => {
    const cluster = new FakeCluster(() => ALLOWED);
    const { slots } = cluster;
    cluster.slots = [];
    const { limiter, events } = limiterOf(cluster);
    const early = limiter.check(
      keyIn((slot) => slot < 8192),
      "9/minute",
    );
    await vi.advanceTimersByTimeAsync(2000);
    expect((await early).source).toBe("local");
    cluster.slots = slots.map((nodes, slot) => (slot < 8192 ? nodes : []));
    cluster.call = async () => {
      throw new Error("CLUSTERDOWN Hash slot not served");
    };
    const key = keyIn((slot) => slot >= 8192);
    for (let n = 0; n < 10; n++) {
      expect((await limiter.check(key, "9/minute")).source).toBe("local");
      await vi.advanceTimersByTimeAsync(1000);
    }
    expect(events.map(({ name }) => name)).toEqual(["server_unavailable"]);
  });

  test("whose shards are not known yet is asked for its counts when they are", async () => {
    const cluster = new FakeCluster(() => statsReply(5));
    const { slots } = cluster;
    cluster.slots = [];
    const { limiter } = limiterOf(cluster, { timeoutMs: 1000 });
    const stats = limiter.stats();
    await vi.advanceTimersByTimeAsync(50);
    cluster.slots = slots;
    await vi.advanceTimersByTimeAsync(50);
    expect((await stats).checks).toBe(5);
  });

  test("says that it is unavailable where no node names its shards", async () => {
    const cluster = new FakeCluster(lost);
    cluster.slots = [];
    cluster.nodes = () => [];
    const { limiter } = limiterOf(cluster);
    const failing = [limiter.stats(), limiter.top("denied"), limiter.overrides.list().next()].map(
      (one) => expect(one).rejects.toMatchObject({ code: "unavailable" }),
    );
    await vi.advanceTimersByTimeAsync(2000);
    await Promise.all(failing);
  });

  test("without nodes at first is found, and slots without an owner are decided here", async () => {
    const cluster = new FakeCluster(() => ALLOWED);
    const { slots } = cluster;
    cluster.slots = [];
    const { limiter } = limiterOf(cluster, { timeoutMs: 1000 });
    const check = limiter.check("a", "9/minute");
    await vi.advanceTimersByTimeAsync(50);
    cluster.slots = slots;
    await vi.advanceTimersByTimeAsync(50);
    expect((await check).source).toBe("module");
    cluster.slots = [];
    const unowned = limiter.check("a", "9/minute");
    await vi.advanceTimersByTimeAsync(1000);
    expect((await unowned).source).toBe("local");
    expect((await limiter.check("a", "9/minute")).source).toBe("local");
  });

  test("is looked for and connected to within one timeout", async () => {
    const cluster = new FakeCluster(() => ALLOWED);
    const { slots } = cluster;
    (cluster.shards[0] as FakeClient).status = "connecting";
    cluster.slots = [];
    const { limiter } = limiterOf(cluster, { timeoutMs: 100 });
    const started = performance.now();
    const ended = limiter.check("a", "9/minute").then(({ source }) => {
      expect([source, performance.now() - started]).toEqual(["local", 100]);
    });
    await vi.advanceTimersByTimeAsync(60);
    cluster.slots = slots;
    await vi.advanceTimersByTimeAsync(1000);
    await ended;
  });

  test("counts the rest of the time for the check itself", async () => {
    const cluster = new FakeCluster(() => silence);
    const { slots } = cluster;
    cluster.slots = [];
    const { limiter } = limiterOf(cluster, { timeoutMs: 100 });
    const started = performance.now();
    const ended = limiter.check("a", "9/minute").then(({ source }) => {
      expect([source, performance.now() - started]).toEqual(["local", 100]);
    });
    await vi.advanceTimersByTimeAsync(50);
    cluster.slots = slots;
    await vi.advanceTimersByTimeAsync(1000);
    await ended;
  });

  test("remembers a lost shard until its slots are served", async () => {
    const cluster = new FakeCluster(
      () => ALLOWED,
      () => ALLOWED,
    );
    const { limiter, events } = limiterOf(cluster);
    await limiter.check(keyOf(0), "9/minute");
    await limiter.check(keyOf(1), "9/minute");
    const { shards, slots } = cluster;
    const second = shards[1] as FakeClient;
    second.answer = lost;
    second.probeAnswer = lost;
    (shards[0] as FakeClient).probeAnswer = lost;
    await limiter.check(keyOf(1), "9/minute");
    (shards as FakeClient[])[1] = new FakeClient(() => ALLOWED, { host: "node", port: 2 });
    cluster.slots = slots.map(([node = ""]) => [node === "node:1" ? "node:2" : node]);
    expect((await limiter.check(keyOf(1), "9/minute")).source).toBe("module");
    expect(limiter.health().shards.map(({ server }) => server)).toEqual([
      "node:0",
      "node:1",
      "node:2",
    ]);
    expect(limiter.health().state).not.toBe("closed");
    (shards[0] as FakeClient).probeAnswer = () => 0;
    await vi.advanceTimersByTimeAsync(1000);
    expect(limiter.health().state).toBe("closed");
    expect(events.map(({ name }) => name)).toEqual(["server_unavailable", "server_recovered"]);
  });

  test("redirects a command, and the library follows", async () => {
    const cluster = new FakeCluster(
      () => ALLOWED,
      () => new Error("MOVED 9000 node:0"),
    );
    const { limiter } = limiterOf(cluster);
    expect((await limiter.check(keyOf(1), "9/minute")).source).toBe("module");
    expect(cluster.shards.map(({ sent }) => sent.length)).toEqual([1, 1]);
  });
});
