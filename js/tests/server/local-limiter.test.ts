import fc from "fast-check";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LocalLimiter, Rules } from "../../src/index.ts";
import { RedisServer } from "../support/redis-server.ts";

let server: RedisServer;
let client: Redis;
let count = 0;

beforeAll(async () => {
  server = await RedisServer.start();
  client = new Redis(server.url);
});
afterAll(async () => {
  client.disconnect();
  await server.stop();
});

/** Sends a command. Returns its reply, and the server's time if the millisecond did not change meanwhile. */
async function run(
  command: string,
  ...args: (number | string)[]
): Promise<[unknown, number | undefined]> {
  // One write: the server reads the three commands together.
  const [before, reply, after] = await Promise.all([
    client.time(),
    client.call(command, ...args),
    client.time(),
  ]);
  const [first, last] = [before, after].map(
    ([seconds, micros]) => Number(seconds) * 1000 + Math.floor(Number(micros) / 1000),
  );
  return [reply, first === last ? first : undefined];
}

const rule = fc.record({
  limit: fc.integer({ min: 0, max: 6 }),
  windowMs: fc.integer({ min: 1, max: 40 }),
});
const step = fc.record({
  waitMs: fc.integer({ min: 0, max: 12 }),
  command: fc.constantFrom("RL.CHECK", "RL.CHECK", "RL.CHECK", "RL.PEEK", "RL.REFUND"),
  cost: fc.integer({ min: 1, max: 3 }),
  rules: fc.array(rule, { minLength: 1, maxLength: 3 }),
});

test("on random histories, it decides as the module of a real server does", async () => {
  let compared = 0;
  const property = fc.asyncProperty(
    fc.array(step, { minLength: 1, maxLength: 15 }),
    async (steps) => {
      const key = `key:${count++}`;
      let now = 0;
      const local = new LocalLimiter({ now: () => now });
      for (const { waitMs, command, cost, rules } of steps) {
        await new Promise((resolve) => setTimeout(resolve, waitMs));
        const pairs = rules.flatMap(({ limit, windowMs }) => [limit, `${windowMs}ms`]);
        const isRefund = command === "RL.REFUND";
        const [reply, time] = await run(command, key, ...(isRefund ? [] : pairs), "COST", cost);
        if (time === undefined) {
          // The time of the command is not known, so what follows cannot be compared.
          return;
        }
        now = time;
        if (isRefund) {
          expect(local.refund(key, { cost })).toBe(reply);
        } else {
          const given = Rules.of(...rules);
          const decision =
            command === "RL.PEEK"
              ? local.peek(key, given, { cost })
              : local.check(key, given, { cost });
          const { allowed, limit, remaining, retryAfterMs, resetAfterMs, windowMs } = decision;
          expect([
            allowed ? 1 : 0,
            limit,
            remaining,
            retryAfterMs ?? -1,
            resetAfterMs,
            windowMs,
          ]).toEqual(reply);
        }
        compared++;
      }
    },
  );
  // The time passes: a shorter history would not be the same.
  await fc.assert(property, { numRuns: 60, endOnFailure: true });
  expect(compared).toBeGreaterThan(60);
});
