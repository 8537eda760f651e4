import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { RateLimiter, type RateLimiterOptions, Rules } from "../../src/index.ts";
import { CLUSTER_LIBRARIES, LIBRARIES, type Opened } from "../support/libraries.ts";
import { RedisCluster } from "../support/redis-cluster.ts";
import { RedisServer } from "../support/redis-server.ts";

let server: RedisServer;
let cluster: RedisCluster;
const opened: { close(): void }[] = [];

beforeAll(async () => {
  [server, cluster] = await Promise.all([RedisServer.start(), RedisCluster.start()]);
});
afterEach(() => {
  for (const one of opened.splice(0)) {
    one.close();
  }
});
afterAll(async () => {
  await Promise.all([server.stop(), cluster.stop()]);
});

let count = 0;

function limiterOf({ client, close }: Opened, options: RateLimiterOptions = {}): RateLimiter {
  const limiter = new RateLimiter(client, {
    prefix: `prefix ${count++}:`,
    timeoutMs: 5000,
    onEvent: () => {},
    ...options,
  });
  opened.push({ close }, limiter);
  return limiter;
}

describe.each(Object.keys(LIBRARIES))("%s", (library) => {
  const open = async (options?: RateLimiterOptions) =>
    limiterOf((await LIBRARIES[library]?.(server.url)) as Opened, options);

  test("policies are set, read, listed and deleted", async () => {
    const { policies } = await open();
    await policies.set("gold", "5/second; 100/hour");
    await policies.set("trial", Rules.parse("1/minute"), { mode: "shadow" });
    const gold = await policies.get("gold");
    expect([String(gold?.rules), gold?.mode]).toEqual(["5/second; 100/hour", "enforce"]);
    expect((await policies.get("trial"))?.mode).toBe("shadow");
    expect(await policies.list()).toEqual(["gold", "trial"]);
    expect([await policies.delete("gold"), await policies.delete("gold")]).toEqual([true, false]);
    expect(await policies.get("gold")).toBeUndefined();
    await policies.delete("trial");
    await expect(policies.set("a b", "1/minute")).rejects.toMatchObject({ code: "rejected" });
  });

  test("overrides are set, read, listed and deleted", async () => {
    const limiter = await open();
    const { overrides } = limiter;
    await overrides.set("free", { action: "allow" });
    await overrides.set("banned", { action: "deny" }, { ttlMs: 60_000 });
    await overrides.set("more", { action: "limit", rules: Rules.parse("9/minute") });
    expect(await overrides.get("free")).toEqual({
      action: "allow",
      rules: undefined,
      ttlMs: null,
    });
    expect((await overrides.get("banned"))?.ttlMs).toBeGreaterThan(0);
    expect(String((await overrides.get("more"))?.rules)).toBe("9/minute");
    expect(await overrides.get("none")).toBeUndefined();
    const listed = [];
    for await (const { key, action } of overrides.list()) {
      listed.push([key, action]);
    }
    expect(listed).toEqual([
      ["free", "allow"],
      ["banned", "deny"],
      ["more", "limit"],
    ]);
    const allowed = async (key: string) =>
      (await limiter.check(key, "1/minute", { cost: 2 })).allowed;
    expect([await allowed("free"), await allowed("banned"), await allowed("more")]).toEqual([
      true,
      false,
      true,
    ]);
    await overrides.set("more", { action: "limit", rules: "1/minute" });
    expect(await allowed("more")).toBe(false);
    expect(await overrides.delete("free")).toBe(true);
    expect(await overrides.delete("free")).toBe(false);
  });

  test("a decision is explained, and hits, counts and the heaviest keys are read", async () => {
    const limiter = await open();
    const policy = `login-${count}`;
    await limiter.policies.set(policy, "2/minute; 9/hour");
    const before = await limiter.stats();
    for (let n = 0; n < 3; n++) {
      await limiter.check("key", { policy });
    }
    const explained = await limiter.explain("key", { policy }, { cost: 1 });
    expect(explained).toMatchObject({
      decidedBy: "rules",
      rule: 0,
      override: undefined,
      rules: [
        { allowed: false, limit: 2 },
        { allowed: true, limit: 9 },
      ],
      decision: { allowed: false, limit: 2 },
    });
    await limiter.overrides.set("key", { action: "allow" });
    expect(await limiter.explain("key", "1/minute")).toMatchObject({
      decidedBy: "override",
      rule: undefined,
      override: { action: "allow" },
    });
    const hits = await limiter.hits("key");
    expect(hits.reduce((units, hit) => units + hit.units, 0)).toBe(2);
    expect(await limiter.hits("key", { count: 1, before: hits.at(-1)?.at ?? 0 })).toEqual([]);
    const after = await limiter.stats();
    expect(after.checks - before.checks).toBe(3);
    expect(after.policies.get(policy)).toMatchObject({ checks: 3, allowed: 2, denied: 1 });
    await limiter.policies.delete(policy);
    // The server halves the numbers each minute.
    await vi.waitFor(async () => {
      for (let n = 0; n < 4; n++) {
        await limiter.check("heavy", "0/minute");
      }
      await limiter.check("light", "0/minute");
      const keys = async (...given: Parameters<typeof limiter.top>) =>
        (await limiter.top(...given)).map(({ key }) => key);
      expect(await keys("denied", { count: 2 })).toEqual(["heavy", "light"]);
      expect(await keys("checked", { count: 1 })).toEqual(["heavy"]);
    });
  });

  test("cached denials cost no command, until a refund", async () => {
    const limiter = await open({ denyCache: 10 });
    await limiter.check("key", "1/minute");
    const sources = async () => {
      const { allowed, source } = await limiter.check("key", "1/minute");
      return [allowed, source];
    };
    expect(await sources()).toEqual([false, "module"]);
    expect(await sources()).toEqual([false, "deny-cache"]);
    await limiter.refund("key");
    expect(await sources()).toEqual([true, "module"]);
  });
});

describe.each(Object.keys(CLUSTER_LIBRARIES))("%s, with a cluster", (library) => {
  test("operators read and change all shards", async () => {
    const limiter = limiterOf((await CLUSTER_LIBRARIES[library]?.(cluster.ports)) as Opened);
    const keys = ["a", "b", "c", "d", "e", "f"];
    await limiter.check("a", "9/minute");
    const before = await limiter.stats();
    for (const key of keys) {
      await limiter.check(key, "9/minute");
      await limiter.overrides.set(key, { action: "deny" });
    }
    expect(limiter.health().shards.length).toBe(3);
    expect((await limiter.stats()).checks - before.checks).toBe(6);
    const listed = [];
    for await (const { key } of limiter.overrides.list()) {
      listed.push(key);
    }
    expect(listed.sort()).toEqual(keys);
    await vi.waitFor(async () => {
      for (const key of keys) {
        await limiter.check(key, "9/minute");
      }
      const top = await limiter.top("checked");
      expect(top.map(({ key }) => key).sort()).toEqual(keys);
    });
    await limiter.policies.set(`policy-${count}`, "5/minute");
    await vi.waitFor(async () => {
      for (const key of ["g", "h", "i", "j"]) {
        const decision = await limiter.check(key, { policy: `policy-${count}` });
        expect(decision).toMatchObject({ source: "module", limit: 5 });
      }
    });
    expect(await limiter.policies.list()).toContain(`policy-${count}`);
  });
});
