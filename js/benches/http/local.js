// Checks without a server, in one process.

import { RateLimiterMemory } from "rate-limiter-flexible";
import { LocalLimiter } from "ratelog";

const WINDOW_SECONDS = 3600;

/** Checks a key; for `rate-limiter-flexible` it returns a promise, which rejects if the check is denied. */
const limiters = {
  ratelog: (limit) => {
    const limiter = new LocalLimiter({ maxBytes: 2 ** 30 });
    const rules = `${limit}/hour`;
    return (key) => limiter.check(key, rules);
  },
  "rate-limiter-flexible, RateLimiterMemory": (limit) => {
    const limiter = new RateLimiterMemory({ points: limit, duration: WINDOW_SECONDS });
    return (key) => limiter.consume(key).catch(() => {});
  },
  "lookup in a Map, without a limit": () => {
    const map = new Map();
    return (key) => map.set(key, (map.get(key) ?? 0) + 1);
  },
};

const loads = [
  { name: "1 key, allowed", keys: 1, limit: 1_000_000_000 },
  { name: "1 key, denied", keys: 1, limit: 100 },
  { name: "10,000 keys, allowed", keys: 10_000, limit: 1_000_000 },
  { name: "10,000 keys, denied", keys: 10_000, limit: 10 },
  { name: "1,000,000 keys, allowed", keys: 1_000_000, limit: 1000 },
];

/** Checks a second. */
async function measure(check, keys, checks) {
  const started = performance.now();
  for (let n = 0; n < checks; n++) {
    // A step that visits the keys in no order of memory.
    const pending = check(keys[(n * 7919) % keys.length]);
    if (pending instanceof Promise) {
      await pending;
    }
  }
  return (1000 * checks) / (performance.now() - started);
}

/** A table of the millions of checks a second: medians of rounds in which all limiters take turns. */
export async function localChecks({ rounds, checks, median }) {
  const names = Object.keys(limiters);
  const lines = [
    `| load | ${names.join(" | ")} |`,
    `| --- |${names.map(() => " ---: |").join("")}`,
  ];
  for (const { name, keys: count, limit } of loads) {
    const keys = Array.from({ length: count }, (_, n) => `user:${n}:search`);
    const rates = names.map(() => []);
    for (let round = 0; round < rounds; round++) {
      for (const [index, limiter] of names.entries()) {
        const check = limiters[limiter](limit);
        // All keys are known when the time begins.
        await measure(check, keys, Math.max(count, checks / 10));
        rates[index].push(await measure(check, keys, checks));
      }
    }
    const cells = rates.map((list) => (median(list) / 1e6).toFixed(2));
    lines.push(`| ${name} | ${cells.join(" | ")} |`);
  }
  return lines.join("\n");
}
