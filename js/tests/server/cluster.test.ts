import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { RateLimiter, type RateLimiterOptions } from "../../src/index.ts";
import { hashSlot } from "../../src/limiter/hash-slot.ts";
import { CLUSTER_LIBRARIES, type Opened } from "../support/libraries.ts";
import { RedisCluster } from "../support/redis-cluster.ts";
import type { RedisServer } from "../support/redis-server.ts";

const LONG_MS = 5000;
const waits = { timeout: 30_000, interval: 20 };

let cluster: RedisCluster;
const opened: { close(): void }[] = [];
let count = 0;
const usedSlots = new Set<number>();

beforeAll(async () => {
  cluster = await RedisCluster.start();
});
afterEach(() => {
  for (const one of opened.splice(0)) {
    one.close();
  }
});
afterAll(async () => {
  await cluster.stop();
});

/** A key of a primary, in a hash slot that no other test uses: a slot that holds keys cannot be assigned to a node. */
function keyOf(primary: number): string {
  for (;;) {
    const key = `key:${count++}`;
    const slot = hashSlot(key);
    if (cluster.ownerOf(key) === primary && !usedSlots.has(slot)) {
      usedSlots.add(slot);
      return key;
    }
  }
}

async function limiterOf(
  library: string,
  options: RateLimiterOptions = {},
  { ports }: { ports: number[] } = cluster,
): Promise<RateLimiter> {
  const client = (await CLUSTER_LIBRARIES[library]?.(ports)) as Opened;
  const limiter = new RateLimiter(client.client, {
    timeoutMs: LONG_MS,
    probeMinIntervalMs: 10,
    probeMaxIntervalMs: 100,
    onEvent: () => {},
    ...options,
  });
  opened.push(limiter, client);
  return limiter;
}

/** Waits until every shard answers checks. */
async function untilServed(limiter: RateLimiter): Promise<void> {
  await vi.waitFor(async () => {
    for (const primary of [0, 1, 2]) {
      expect((await limiter.check(keyOf(primary), "9/minute")).source).toBe("module");
    }
  }, waits);
}

describe.each(Object.keys(CLUSTER_LIBRARIES))("%s, with a cluster", (library) => {
  test("the shard of each key decides", async () => {
    const limiter = await limiterOf(library);
    expect(await limiter.ready()).toBe(true);
    for (const key of [0, 1, 2, 0, 1, 2].map(keyOf)) {
      expect(await limiter.check(key, "2/minute")).toMatchObject({
        remaining: 1,
        source: "module",
      });
      expect(await limiter.check(key, "2/minute")).toMatchObject({
        remaining: 0,
        source: "module",
      });
      expect(await limiter.check(key, "2/minute")).toMatchObject({ allowed: false });
      expect(await limiter.refund(key)).toBe(1);
    }
    const { state, shards } = limiter.health();
    expect([state, shards.length]).toEqual(["closed", 3]);
  });

  test("checks of several keys are all recorded, or none, also on several shards", async () => {
    const limiter = await limiterOf(library);
    const one = keyOf(0);
    const groups = [
      [`{${one}}:a`, `{${one}}:b`],
      [keyOf(0), keyOf(1), keyOf(2)],
    ];
    for (const keys of groups) {
      const checks = keys.map((key, index) => ({ key, rules: `${index ? 9 : 1}/minute` }));
      const allowed = async () => (await limiter.checkAll(checks)).map(({ allowed }) => allowed);
      expect(await allowed()).toEqual(keys.map(() => true));
      expect(await allowed()).toEqual(keys.map((_, index) => index > 0));
      expect(await Promise.all(keys.map((key) => limiter.reset(key)))).toEqual(keys.map(() => 1));
    }
  });

  test("a killed shard does not affect the others, and is found when it is back", async () => {
    const limiter = await limiterOf(library, { timeoutMs: 1000 });
    await untilServed(limiter);
    const lost = cluster.primaries[1] as RedisServer;
    await lost.kill();
    try {
      const lostKey = keyOf(1);
      await vi.waitFor(async () => {
        expect((await limiter.check(lostKey, "9/minute")).source).toBe("local");
        expect(limiter.health().state).not.toBe("closed");
      }, waits);
      for (let n = 0; n < 50; n++) {
        expect((await limiter.check(keyOf(0), "9/minute")).source).toBe("module");
        expect((await limiter.check(keyOf(2), "9/minute")).source).toBe("module");
        expect((await limiter.check(keyOf(1), "9/minute")).source).toBe("local");
      }
    } finally {
      await lost.restart();
    }
    await untilServed(limiter);
  });

  test("a suspended shard costs at most five timeouts, and does not affect the others", async () => {
    const limiter = await limiterOf(library, { timeoutMs: 500 });
    await untilServed(limiter);
    const lost = cluster.primaries[2] as RedisServer;
    lost.suspend();
    const unanswered = () =>
      limiter.health().shards.reduce((sum, shard) => sum + shard.unanswered, 0);
    const before = unanswered();
    try {
      for (let n = 0; n < 30; n++) {
        expect((await limiter.check(keyOf(2), "9/minute")).source).toBe("local");
        for (const primary of [0, 1]) {
          expect((await limiter.check(keyOf(primary), "9/minute")).source).toBe("module");
        }
      }
    } finally {
      lost.resume();
    }
    expect(unanswered() - before).toBeLessThanOrEqual(5);
    await untilServed(limiter);
  });
});

test("a slot that moved to another shard is followed, with each library", async () => {
  const key = keyOf(0);
  const limiters = await Promise.all(
    Object.keys(CLUSTER_LIBRARIES).map(async (library) => ({
      library,
      limiter: await limiterOf(library, { prefix: `{${key}}:${library}` }),
    })),
  );
  const expectChecked = async () => {
    for (const { library, limiter } of limiters) {
      const decision = await limiter.check("key", "9/minute");
      expect(decision, library).toMatchObject({ source: "module", remaining: 8 });
      // Only an empty slot moves at once.
      expect(await limiter.reset("key"), library).toBe(1);
    }
  };
  const nodes = cluster.primaries.map(({ url }) => new Redis(url));
  opened.push(...nodes.map((node) => ({ close: () => node.disconnect() })));
  const ids = await Promise.all(nodes.map((node) => node.cluster("MYID")));
  const slot = String(hashSlot(key));
  const move = async (to: number) => {
    // The new owner first, so that the slot always has one.
    for (const node of [nodes[to], ...nodes]) {
      await node?.call("CLUSTER", "SETSLOT", slot, "NODE", String(ids[to]));
    }
  };
  await expectChecked();
  for (const to of [1, 2, 0]) {
    await move(to);
    await expectChecked();
  }
});
