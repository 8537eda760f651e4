import express from "express";
import { Redis } from "ioredis";
import { afterEach, expect, test } from "vitest";
import { rateLimit } from "../../src/express/index.ts";
import { RateLimiter } from "../../src/index.ts";
import { listener } from "../support/express.ts";
import { serve } from "../support/http-server.ts";
import { RedisServer } from "../support/redis-server.ts";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) {
    await close();
  }
});

/** An application of one process: a limiter for all clients over a connection of its own. */
function application(url: string): ReturnType<typeof express> {
  const client = new Redis(url, { autoResendUnfulfilledCommands: false });
  client.on("error", () => {});
  const limiter = new RateLimiter(client, { timeoutMs: 5000, onEvent: () => {} });
  closing.push(
    () => client.disconnect(),
    () => limiter.close(),
  );
  const app = express();
  app.use(rateLimit({ limiter, limit: "20/hour", key: () => "all" }));
  app.get("/", (_, response) => {
    response.send("fine");
  });
  return app;
}

async function statuses(urls: readonly string[], count: number): Promise<Record<number, number>> {
  const requests = Array.from({ length: count }, (_, n) => fetch(urls[n % urls.length] as string));
  const counts: Record<number, number> = {};
  for (const { status } of await Promise.all(requests)) {
    counts[status] = (counts[status] ?? 0) + 1;
  }
  return counts;
}

test("processes share a limit exactly, and enforce it while the server is gone", async () => {
  const server = await RedisServer.start();
  closing.push(() => server.stop());
  const [one, other] = [application(server.url), application(server.url)];
  await using first = await serve(listener(one));
  await using second = await serve(listener(other));
  expect(await statuses([first.url, second.url], 60)).toEqual({ 200: 20, 429: 40 });
  await server.kill();
  // Each process has the whole limit now. No request fails.
  expect(await statuses([first.url], 30)).toEqual({ 200: 20, 429: 10 });
});
