import { afterEach, expect, test, vi } from "vitest";
import { RateLimiter } from "../../src/index.ts";
import { CLUSTER_LIBRARIES, type Opened } from "../support/libraries.ts";
import { RedisCluster } from "../support/redis-cluster.ts";

const waits = { timeout: 50_000, interval: 50 };
const libraries = Object.keys(CLUSTER_LIBRARIES);
const ended: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const end of ended.splice(0).reverse()) {
    await end();
  }
});

async function startCluster(options: { replicas?: number; withModule?: number }) {
  const cluster = await RedisCluster.start(options);
  ended.push(() => cluster.stop());
  return cluster;
}

interface Used {
  readonly library: string;
  readonly limiter: RateLimiter;
  readonly events: string[];
}

/** A limiter with each library, all with the same cluster, so that they wait for it at the same time. */
async function limitersOf(cluster: RedisCluster): Promise<Used[]> {
  const limiters: Used[] = [];
  for (const library of libraries) {
    const events: string[] = [];
    const opened = (await CLUSTER_LIBRARIES[library]?.(cluster.ports)) as Opened;
    const limiter = new RateLimiter(opened.client, {
      prefix: library,
      timeoutMs: 2000,
      probeMinIntervalMs: 10,
      probeMaxIntervalMs: 200,
      onEvent: ({ name }) => events.push(name),
    });
    ended.push(
      () => opened.close(),
      () => limiter.close(),
    );
    limiters.push({ library, limiter, events });
  }
  return limiters;
}

/** The end of a key that is a primary's with the prefix of each library. */
function keyOf(cluster: RedisCluster, primary: number): string {
  for (let n = 0; ; n++) {
    if (cluster.ownerOf(`{${n}}`) === primary) {
      return `{${n}}`;
    }
  }
}

test("a replica that takes over a lost shard decides its checks, for each library", async () => {
  const cluster = await startCluster({ replicas: 1 });
  const limiters = await limitersOf(cluster);
  const [lost, other] = [keyOf(cluster, 0), keyOf(cluster, 1)];
  const untilSource = ({ limiter }: Used, key: string, source: string) =>
    vi.waitFor(async () => {
      expect((await limiter.check(key, "9999/minute")).source).toBe(source);
    }, waits);
  const forEach = (run: (used: Used) => Promise<void>) =>
    Promise.all(
      limiters.map((used) =>
        run(used).catch((error) => {
          throw new Error(used.library, { cause: error });
        }),
      ),
    );
  await forEach(async (used) => {
    await untilSource(used, lost, "module");
    await untilSource(used, other, "module");
  });
  await cluster.primaries[0]?.kill();
  await forEach(async (used) => {
    await untilSource(used, lost, "local");
    await untilSource(used, other, "module");
    await untilSource(used, lost, "module");
    await untilSource(used, other, "module");
    await vi.waitFor(() => expect(used.limiter.health().state).toBe("closed"), waits);
    const starts = used.events.filter((name) => name === "server_unavailable");
    const ends = used.events.filter((name) => name === "server_recovered");
    expect(starts.length).toBe(ends.length);
  });
});

test("a cluster without the module is served by the script, by the slots of its logs", async () => {
  const cluster = await startCluster({ withModule: 0 });
  for (const { library, limiter } of await limitersOf(cluster)) {
    for (const key of ["a", "b", "c", "{d}", "{e}", "{f}"]) {
      for (const remaining of [1, 0]) {
        const decision = await limiter.check(key, "2/minute");
        expect(decision, library).toMatchObject({ remaining, source: "script" });
      }
      expect(await limiter.refund(key), library).toBe(1);
    }
    const checks = ["{a}:1", "{a}:2", "x", "y"].map((key) => ({ key, rules: "1/minute" }));
    const allowed = async () => (await limiter.checkAll(checks)).map(({ allowed }) => allowed);
    expect(await allowed(), library).toEqual([true, true, true, true]);
    expect(await limiter.reset("{a}:1"), library).toBe(1);
    expect(await allowed(), library).toEqual([true, false, false, false]);
    expect(await limiter.peek("{a}:1", "1/minute"), library).toMatchObject({ remaining: 1 });
  }
});
