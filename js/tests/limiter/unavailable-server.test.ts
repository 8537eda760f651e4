import { describe, expect, test, vi } from "vitest";
import { LimiterError } from "../../src/index.ts";
import { ALLOWED, FakeClient } from "../support/fake-clients.ts";
import { limiterOf, lost, silence, useFakeTimers } from "../support/fake-limiter.ts";

useFakeTimers();

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
    const client = new FakeClient(() => 1);
    expect(await limiterOf(client).limiter.refund("a", { source: "module" })).toBe(1);
    // The module was loaded since.
    expect(await limiterOf(client).limiter.refund("a", { source: "script" })).toBe(1);
    expect(client.sent.map(([name]) => name)).toEqual(["RL.REFUND", "EVALSHA"]);
    // The module is gone since.
    const replaced = new FakeClient(([name]) =>
      name === "RL.REFUND" ? new Error("ERR unknown command 'RL.REFUND'") : 1,
    );
    const { limiter } = limiterOf(replaced);
    await limiter.ready();
    expect(await limiter.refund("a", { source: "module" })).toBe(0);
    expect(replaced.sent.map(([name]) => name)).toEqual(["RL.REFUND"]);
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

  test("is probed first after the longest wait, if that is less than the default of the shortest", async () => {
    const client = new FakeClient(lost);
    client.probeAnswer = lost;
    const { limiter } = limiterOf(client, { probeMaxIntervalMs: 10 });
    await limiter.ready();
    client.probeAnswer = () => 0;
    await vi.advanceTimersByTimeAsync(21);
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
