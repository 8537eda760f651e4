import { Redis } from "ioredis";
import { afterEach, expect, test, vi } from "vitest";
import { RateLimiter } from "../../src/index.ts";
import { type Opened, SENTINEL_LIBRARIES } from "../support/libraries.ts";
import { RedisServer } from "../support/redis-server.ts";

const waits = { timeout: 50_000, interval: 50 };
const ended: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const end of ended.splice(0).reverse()) {
    await end();
  }
});

async function startServer(options: Parameters<typeof RedisServer.start>[0]) {
  const server = await RedisServer.start(options);
  ended.push(() => server.stop());
  return server;
}

/** A primary, its replica, and a Sentinel that promotes the replica half a second after the primary was lost. */
async function startService() {
  const primary = await startServer({});
  const options = ["--replicaof", "127.0.0.1", String(primary.port)];
  const replica = await startServer({ options });
  const sentinel = await startServer({
    hasModule: false,
    options: ["--sentinel"],
    config: () =>
      [
        `sentinel monitor service 127.0.0.1 ${primary.port} 1`,
        "sentinel down-after-milliseconds service 500",
        "",
      ].join("\n"),
  });
  const client = new Redis(sentinel.url);
  ended.push(() => client.disconnect());
  await vi.waitFor(async () => {
    const replicas = (await client.call("SENTINEL", "REPLICAS", "service")) as string[][];
    expect(replicas.map((fields) => fields[fields.indexOf("master-link-status") + 1])).toEqual([
      "ok",
    ]);
  }, waits);
  return { primary, replica, sentinel };
}

test("the server that Sentinel promotes decides, for each library", async () => {
  const { primary, sentinel } = await startService();
  const limiters = Object.entries(SENTINEL_LIBRARIES).map(([library, open]) => {
    const { client, close }: Opened = open(sentinel.port);
    const limiter = new RateLimiter(client, {
      prefix: library,
      // Shorter than the failover takes, so that the fallback decides meanwhile.
      timeoutMs: 200,
      probeMinIntervalMs: 10,
      probeMaxIntervalMs: 200,
      onEvent: () => {},
    });
    ended.push(close, () => limiter.close());
    return { library, limiter };
  });
  const untilSources = (...sources: string[]) =>
    Promise.all(
      limiters.map(async ({ library, limiter }) => {
        for (const source of sources) {
          await vi.waitFor(async () => {
            expect((await limiter.check("key", "9999/minute")).source, library).toBe(source);
          }, waits);
        }
      }),
    );
  await untilSources("module");
  await primary.kill();
  await untilSources("local", "module");
  for (const { library, limiter } of limiters) {
    await vi.waitFor(() => expect(limiter.health().state, library).toBe("closed"), waits);
  }
});
