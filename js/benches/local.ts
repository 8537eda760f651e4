/** Measures local checks: `npm run bench`. */
import { LocalLimiter } from "../src/index.ts";

const CHECKS = 2_000_000;
const ROUNDS = 5;

/** Prints the median of the checks per second of several rounds. */
function measure(name: string, keyCount: number, rules: string): void {
  const limiter = new LocalLimiter({ maxBytes: 2 ** 30 });
  const keys = Array.from({ length: keyCount }, (_, n) => `user:${n}:search`);
  const rates: number[] = [];
  let allowed = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const started = performance.now();
    for (let n = 0; n < CHECKS; n++) {
      // A step that visits the keys in no order of memory.
      allowed += limiter.check(keys[(n * 7919) % keyCount] as string, rules).allowed ? 1 : 0;
    }
    rates.push(CHECKS / (performance.now() - started) / 1000);
  }
  rates.sort((a, b) => a - b);
  const median = rates[ROUNDS >> 1] as number;
  const share = Math.round((100 * allowed) / (CHECKS * ROUNDS));
  console.log(`${name.padEnd(44)} ${median.toFixed(2)} million/s, ${share} % allowed`);
}

measure("one key, allowed", 1, "100000000/hour");
measure("one key, denied", 1, "100/hour");
measure("10,000 keys, allowed", 10_000, "1000000/hour");
measure("10,000 keys, denied", 10_000, "10/hour");
measure("10,000 keys, three rules, mostly denied", 10_000, "10/second; 100/minute; 1000/hour");
measure("1,000,000 keys", 1_000_000, "1000/hour");
