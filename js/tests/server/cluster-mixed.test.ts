import { Cluster, Redis } from "ioredis";
import { expect, test, vi } from "vitest";
import { RateLimiter } from "../../src/index.ts";
import { hashSlot } from "../../src/limiter/hash-slot.ts";
import { CLUSTER_LIBRARIES, type Opened } from "../support/libraries.ts";
import { RedisCluster } from "../support/redis-cluster.ts";

test.each(Object.keys(CLUSTER_LIBRARIES))(
  "a cluster of which one shard has the module keeps one log for each key, with %s",
  async (library) => {
    const cluster = await RedisCluster.start({ withModule: 1 });
    const opened = (await CLUSTER_LIBRARIES[library]?.(cluster.ports)) as Opened;
    const limiter = new RateLimiter(opened.client, { timeoutMs: 10_000, prefix: "" });
    try {
      await limiter.ready();
      const keys = Array.from({ length: 40 }, (_, n) => `k${n}`);
      const sources = keys.map((key) => (cluster.ownerOf(key) === 0 ? "module" : "script"));
      expect(new Set(sources)).toEqual(new Set(["module", "script"]));
      for (const remaining of [2, 1, 0]) {
        const decisions = await Promise.all(keys.map((key) => limiter.check(key, "3/minute")));
        expect(decisions.map(({ source }) => source)).toEqual(sources);
        expect(decisions.map((decision) => decision.remaining)).toEqual(keys.map(() => remaining));
      }
      // They have a command each, or one for all, also where the log of the script is on the shard with the module.
      for (const pair of [keys.slice(0, 2), ["{k0}a", "{k0}b"], ["{k1}a", "{k1}b"]]) {
        const checks = pair.map((key) => ({ key, rules: "3/hour" }));
        const decisions = await limiter.checkAll(checks);
        expect(decisions.map(({ source }) => source)).toEqual(
          pair.map((key) => (cluster.ownerOf(key) === 0 ? "module" : "script")),
        );
      }
      expect(await Promise.all(keys.map((key) => limiter.refund(key)))).toEqual(keys.map(() => 1));
      const shards = limiter.health().shards;
      expect(shards.map(({ usesScript }) => usesScript).sort()).toEqual([false, true, true]);
      expect(limiter.health().state).toBe("closed");
    } finally {
      limiter.close();
      await opened.close();
      await cluster.stop();
    }
  },
);

test("units are taken back where they were recorded while a slot moves to a shard without the module", async () => {
  const cluster = await RedisCluster.start({ withModule: 1 });
  const client = new Cluster([{ host: "127.0.0.1", port: cluster.ports[0] as number }]);
  const [from, to] = cluster.primaries.slice(0, 2).map(({ url }) => new Redis(url)) as [
    Redis,
    Redis,
  ];
  const limiter = new RateLimiter(client, { timeoutMs: 10_000, prefix: "" });
  try {
    await limiter.ready();
    let n = 0;
    while (cluster.ownerOf(`{${n}}`) !== 0) {
      n++;
    }
    const key = `{${n}}`;
    const slot = String(hashSlot(key));
    const ids = await Promise.all([from, to].map((node) => node.cluster("MYID")));
    await to.call("CLUSTER", "SETSLOT", slot, "IMPORTING", String(ids[0]));
    await from.call("CLUSTER", "SETSLOT", slot, "MIGRATING", String(ids[1]));
    const { source } = await limiter.check(key, "9/minute");
    expect(source).toBe("script");
    expect(await limiter.refund(key, { source })).toBe(1);
    const checks = [key, "other"].map((one) => ({ key: one, rules: "1/hour" }));
    await limiter.check("other", "1/hour");
    for (let tries = 0; tries < 2; tries++) {
      const allowed = (await limiter.checkAll(checks)).map((decision) => decision.allowed);
      expect(allowed).toEqual([true, false]);
    }
    expect((await limiter.peek(key, "9/minute")).remaining).toBe(9);
    // Its slot is that of the probe, which the other shard answers. A probe of another slot has the answer of its owner.
    const probes = async () =>
      /cmdstat_rl\.refund:calls=(\d+)/.exec(await from.info("commandstats"))?.[1];
    const before = await probes();
    await vi.waitFor(
      async () => {
        expect((await limiter.check(key, "9999/minute")).source).toBe("script");
        expect(await probes()).not.toBe(before);
      },
      { timeout: 20_000, interval: 50 },
    );
    while (cluster.ownerOf(`k${n}`) !== 0) {
      n++;
    }
    expect((await limiter.check(`k${n}`, "9/minute")).source).toBe("module");
    const shards = limiter.health().shards.filter(({ usesScript }) => !usesScript);
    expect(shards).toHaveLength(1);
  } finally {
    limiter.close();
    for (const one of [client, from, to]) {
      one.disconnect();
    }
    await cluster.stop();
  }
});

test("keys of the module and of the script are not checked with one command", async () => {
  const cluster = await RedisCluster.start({ withModule: 1 });
  const client = new Cluster([{ host: "127.0.0.1", port: cluster.ports[0] as number }]);
  const limiter = new RateLimiter(client, { timeoutMs: 10_000, prefix: "" });
  try {
    await limiter.ready();
    // The log of the script is in the slot of the other key.
    let n = 0;
    while (cluster.ownerOf(`k${n}`) === 0 || cluster.ownerOf(`k${n}:ratelog-log`) !== 0) {
      n++;
    }
    const logSlot = hashSlot(`k${n}:ratelog-log`);
    let other = 0;
    while (hashSlot(`other${other}`) !== logSlot) {
      other++;
    }
    const keys = [`k${n}`, `other${other}`];
    for (const list of [keys, keys.toReversed()]) {
      const decisions = await limiter.checkAll(list.map((key) => ({ key, rules: "9/minute" })));
      expect(decisions.map(({ source }) => source).sort()).toEqual(["module", "script"]);
    }
  } finally {
    limiter.close();
    client.disconnect();
    await cluster.stop();
  }
});
