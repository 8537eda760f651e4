import { Redis } from "ioredis";
import { expect, test, vi } from "vitest";
import { RateLimiter } from "../../src/index.ts";
import { RedisServer } from "../support/redis-server.ts";

const RIGHTS = {
  module: "+rl.check +rl.mcheck +rl.peek +rl.refund +rl.reset",
  script: "+evalsha +script|load +time +zadd +zcard +zrange +zremrangebyscore +pexpire +unlink",
};

test.each(["module", "script"] as const)(
  "a replica is unavailable to a user who may use the keys with the prefix only, with the %s",
  async (source) => {
    const server = await RedisServer.start({ hasModule: source === "module" });
    const admin = new Redis(server.url);
    const rights = `on >secret ~shop:* ${RIGHTS[source]} +@connection +info`.split(" ");
    await admin.call("ACL", "SETUSER", "shop", ...rights);
    await admin.call("REPLICAOF", "127.0.0.1", "1");
    const client = new Redis(server.url, { username: "shop", password: "secret" });
    const limiter = new RateLimiter(client, {
      prefix: "shop:",
      timeoutMs: 10_000,
      probeMaxIntervalMs: 20,
      onEvent: () => {},
    });
    try {
      expect(await limiter.ready()).toBe(false);
      expect((await limiter.check("a", "9/minute")).source).toBe("local");
      await admin.call("REPLICAOF", "NO", "ONE");
      await vi.waitFor(() => expect(limiter.health().state).toBe("closed"), { timeout: 20_000 });
      expect((await limiter.check("a", "9/minute")).source).toBe(source);
      // The probes are within the rights, too.
      expect(await admin.call("ACL", "LOG")).toEqual([]);
    } finally {
      limiter.close();
      client.disconnect();
      admin.disconnect();
      await server.stop();
    }
  },
);
