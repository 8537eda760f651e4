import { expect, test } from "vitest";
import { RateLimiter } from "../../src/index.ts";
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
