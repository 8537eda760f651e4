import { describe, expect, test, vi } from "vitest";
import { hashSlot } from "../../src/limiter/hash-slot.ts";
import { logOfKey } from "../../src/limiter/script.ts";
import { ALLOWED, DENIED, FakeClient, FakeCluster } from "../support/fake-clients.ts";
import { limiterOf, lost, silence, useFakeTimers } from "../support/fake-limiter.ts";

useFakeTimers();

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
    expect(limiter.health().shards.map(({ server }) => server)).toEqual(["node:0", "node:2"]);
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

  test("redirects a check to a shard without the module, and the other one still uses the module", async () => {
    const cluster = new FakeCluster(() => ALLOWED);
    const [first] = cluster.shards as [FakeClient];
    const key = keyIn((slot) => slot < 8192);
    // The answer of a node to which the library was redirected.
    first.answer = ([name]) =>
      name === "RL.CHECK" ? new Error("ERR unknown command 'RL.CHECK'") : ALLOWED;
    const { limiter } = limiterOf(cluster);
    const checks = [limiter.check(key, "9/minute"), limiter.check(key, "9/minute")];
    expect((await Promise.all(checks)).map(({ source }) => source)).toEqual(["script", "script"]);
    // It is asked once a second, not after each check.
    const probes = vi.fn(() => 0);
    first.probeAnswer = probes;
    for (let n = 0; n < 9; n++) {
      await vi.advanceTimersByTimeAsync(250);
      await limiter.check(key, "9/minute");
    }
    expect(probes).toHaveBeenCalledTimes(2);
    first.answer = () => ALLOWED;
    expect((await limiter.check(key, "9/minute")).source).toBe("module");
    expect(limiter.health().shards.map(({ usesScript }) => usesScript)).toEqual([false]);
  });

  test("asks the owner of a key for the module, although its log is on another shard", async () => {
    const unknown = new Error("ERR unknown command 'RL.REFUND'");
    const cluster = new FakeCluster(
      () => ALLOWED,
      () => ALLOWED,
    );
    const [first, second] = cluster.shards as [FakeClient, FakeClient];
    // The library finds the owner of a key's slot.
    const shardOf = (name: string) => (hashSlot(name) < 8192 ? first : second);
    cluster.call = (...command) => {
      const name = command[0]?.startsWith("EVAL") ? command[3] : command[1];
      return shardOf(name as string).call(...command);
    };
    let isLoaded = false;
    first.probeAnswer = ([name]) => (name === "UNLINK" || isLoaded ? 0 : unknown);
    let n = 0;
    while (shardOf(`k${n}`) !== first || shardOf(logOfKey(`k${n}`)) !== second) {
      n++;
    }
    const { limiter } = limiterOf(cluster, { prefix: "" });
    await limiter.ready();
    expect((await limiter.check(`k${n}`, "9/minute")).source).toBe("script");
    isLoaded = true;
    await vi.advanceTimersByTimeAsync(30_000);
    await limiter.check(`k${n}`, "9/minute");
    await vi.advanceTimersByTimeAsync(0);
    expect((await limiter.check(`k${n}`, "9/minute")).source).toBe("module");
  });
});
