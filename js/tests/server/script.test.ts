import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { LocalLimiter, RateLimiter, type RateLimiterOptions } from "../../src/index.ts";
import { LIBRARIES, type Opened } from "../support/libraries.ts";
import { RedisServer } from "../support/redis-server.ts";

const LONG_MS = 5000;

let server: RedisServer;
let admin: Redis;
const opened: { close(): void }[] = [];
let count = 0;

beforeAll(async () => {
  server = await RedisServer.start({ hasModule: false });
  admin = new Redis(server.url);
});
afterEach(() => {
  for (const one of opened.splice(0)) {
    one.close();
  }
});
afterAll(async () => {
  admin.disconnect();
  await server.stop();
});

async function limiterOf(library: string, options: RateLimiterOptions = {}): Promise<RateLimiter> {
  const client = (await LIBRARIES[library]?.(server.url)) as Opened;
  const limiter = new RateLimiter(client.client, {
    timeoutMs: LONG_MS,
    onEvent: () => {},
    ...options,
  });
  opened.push(limiter, client);
  return limiter;
}

function newKey(): string {
  return `key:${count++}`;
}

describe.each(Object.keys(LIBRARIES))("%s, on a server without the module", (library) => {
  test("the script decides as this process does", async () => {
    const limiter = await limiterOf(library, { policies: { gold: "3/minute" } });
    const local = new LocalLimiter();
    const key = newKey();
    for (const cost of [1, 2, 1, 3, 4]) {
      const { source, resetAfterMs, retryAfterMs, ...decision } = await limiter.check(
        key,
        "4/minute; 5/hour",
        { cost },
      );
      const expected = local.check(key, "4/minute; 5/hour", { cost });
      expect(expected).toMatchObject(decision);
      expect(retryAfterMs === null).toBe(expected.retryAfterMs === null);
      expect(source).toBe("script");
    }
    expect(await limiter.check(newKey(), { policy: "gold" })).toMatchObject({ limit: 3 });
    expect(await limiter.refund(key)).toBe(1);
    expect(await limiter.reset(key)).toBe(3);
    expect(limiter.health()).toMatchObject({ state: "closed", shards: [{ usesScript: true }] });
  });

  test("checks of several keys are all recorded, or none, and a lost script is loaded", async () => {
    const limiter = await limiterOf(library);
    const [first, second] = [newKey(), newKey()];
    const checks = [
      { key: first, rules: "9/minute" },
      { key: second, rules: "1/minute" },
    ];
    expect((await limiter.checkAll(checks)).map(({ allowed }) => allowed)).toEqual([true, true]);
    await admin.script("FLUSH");
    expect((await limiter.checkAll(checks)).map(({ allowed }) => allowed)).toEqual([true, false]);
    expect(await limiter.peek(first, "9/minute")).toMatchObject({ remaining: 8, source: "script" });
  });

  test("what only the module has is an error", async () => {
    const limiter = await limiterOf(library);
    await expect(limiter.overrides.set(newKey(), { action: "allow" })).rejects.toMatchObject({
      code: "needs-module",
    });
    await expect(
      (await limiterOf(library, { backend: "module" })).check(newKey(), "1/minute"),
    ).rejects.toMatchObject({ code: "needs-module" });
  });
});
