/**
 * Measures checks at a server, beside the same command sent by the library alone: `npm run bench:server`, with `SERVER`
 * and `RATELOG_MODULE` as scripts/test-js sets them.
 */
import { Redis } from "ioredis";
import { createClient } from "redis";
import { type Client, RateLimiter } from "../src/index.ts";
import { RedisServer } from "../tests/support/redis-server.ts";

const CHECKS = 100_000;
const CONCURRENT = 64;
const ROUNDS = 5;

/** Sends checks, many at a time. Returns thousands per second. */
async function rateOf(check: (key: string) => Promise<unknown>): Promise<number> {
  const started = performance.now();
  let sent = 0;
  const sendInTurn = async () => {
    while (sent < CHECKS) {
      await check(`user:${sent++ % 1000}`);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT }, sendInTurn));
  return CHECKS / (performance.now() - started);
}

/** Prints the medians of rounds that alternate between the library and the limiter. */
async function measure(
  name: string,
  client: Client,
  send: (...command: string[]) => Promise<unknown>,
): Promise<void> {
  const limiter = new RateLimiter(client);
  const rates: { library: number; limiter: number }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    rates.push({
      library: await rateOf((key) => send("RL.CHECK", key, "1000000", "3600000ms")),
      limiter: await rateOf((key) => limiter.check(key, "1000000/hour")),
    });
  }
  limiter.close();
  const median = (of: "library" | "limiter") =>
    rates.map((rate) => rate[of]).sort((a, b) => a - b)[ROUNDS >> 1] as number;
  const [library, limited] = [median("library"), median("limiter")];
  console.log(
    `${name.padEnd(16)} library ${library.toFixed(0)}k/s, limiter ${limited.toFixed(0)}k/s, ` +
      `${(1000 / limited - 1000 / library).toFixed(1)} us more for each check`,
  );
}

const server = await RedisServer.start();
try {
  const ioredis = new Redis(server.url);
  await measure("ioredis", ioredis, (name = "", ...rest) => ioredis.call(name, ...rest));
  ioredis.disconnect();
  const nodeRedis = await createClient({ url: server.url }).connect();
  await measure("node-redis", nodeRedis, (...command) => nodeRedis.sendCommand(command));
  nodeRedis.destroy();
} finally {
  await server.stop();
}
