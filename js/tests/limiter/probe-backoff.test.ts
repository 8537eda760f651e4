import { expect, test } from "vitest";
import { ProbeBackoff } from "../../src/limiter/probe-backoff.ts";

test("waits double up to the maximum, with jitter upwards", () => {
  const backoff = new ProbeBackoff(100, 500);
  const rounds = Array.from({ length: 100 }, () => {
    backoff.reset();
    return [1, 2, 3, 4, 5].map(() => backoff.next());
  });
  for (const [index, base] of [100, 200, 400, 500, 500].entries()) {
    const waits = rounds.map((round) => round[index] as number);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(base);
    expect(Math.max(...waits)).toBeLessThanOrEqual(2 * base);
    expect(new Set(waits).size).toBeGreaterThan(1);
  }
});
