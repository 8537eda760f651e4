import { describe, expect, test, vi } from "vitest";
import { ParseRulesError, RateLimiter, Rules } from "../../src/index.ts";
import { ALLOWED, FakeClient } from "../support/fake-clients.ts";
import { limiterOf, lost, silence, useFakeTimers } from "../support/fake-limiter.ts";

useFakeTimers();

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
        "fallback must be one of local, allow, deny, error, not 'locl'",
      ],
      [
        { backend: "modul" as "module" },
        "backend must be one of auto, module, script, not 'modul'",
      ],
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
