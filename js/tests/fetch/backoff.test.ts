import fc from "fast-check";
import { expect, test } from "vitest";
import { Backoff } from "../../src/fetch/backoff.ts";

const MINUTE = 60_000;

/** All waits, if each try takes no time and each response gives this wait. */
function waits(backoff: Backoff, given: number): number[] {
  const all: number[] = [];
  for (let elapsed = 0; all.length < 1000; ) {
    const wait = backoff.next(given, elapsed);
    if (wait === undefined) {
      break;
    }
    all.push(wait);
    elapsed += wait;
  }
  return all;
}

test("the number of tries is bounded", () => {
  for (const given of [0, 1000]) {
    for (const tries of [1, 2, 4, 7]) {
      expect(waits(new Backoff(tries, MINUTE), given)).toHaveLength(tries - 1);
    }
  }
});

test("a wait that the server gives is bounded by the total time only", () => {
  const count = waits(new Backoff(undefined, MINUTE), 1000).length;
  expect(count).toBeGreaterThanOrEqual(50);
  expect(count).toBeLessThanOrEqual(60);
  expect(waits(new Backoff(undefined, MINUTE), 59_000)).toHaveLength(1);
  expect(waits(new Backoff(undefined, MINUTE), 61_000)).toEqual([]);
  expect(waits(new Backoff(undefined, Number.POSITIVE_INFINITY), 86_400_000)).toHaveLength(1000);
});

test("without a wait, four retries grow and differ", () => {
  const first = waits(new Backoff(undefined, MINUTE), 0);
  expect(first).toHaveLength(4);
  for (const [index, wait] of first.entries()) {
    expect(wait).toBeGreaterThanOrEqual(100 * 2 ** index);
    expect(wait).toBeLessThan(200 * 2 ** index);
  }
  expect(waits(new Backoff(undefined, MINUTE), 0)).not.toEqual(first);
});

test("the longest waits are 15 to 30 seconds", () => {
  const grown = waits(new Backoff(20, Number.POSITIVE_INFINITY), 0).slice(8);
  expect(grown).toHaveLength(11);
  expect(grown.every((wait) => wait >= 15_000 && wait < 30_000)).toBe(true);
});

test("a wait that the server gives is lengthened at random and never shortened", () => {
  const range = (total: number, given: number) => {
    const all = Array.from({ length: 300 }, () => new Backoff(undefined, total).next(given, 0));
    return [Math.min(...(all as number[])), Math.max(...(all as number[]))] as const;
  };
  const [least, most] = range(MINUTE, 20_000);
  expect(least >= 20_000 && most <= 22_000 && most > least + 1000).toBe(true);
  const [shortLeast, shortMost] = range(MINUTE, 1);
  expect(shortLeast >= 1 && shortMost <= 101 && shortMost > 51).toBe(true);
  expect(range(20_000, 20_000)).toEqual([20_000, 20_000]);
});

test("a wait that the server gives does not make the others grow", () => {
  const backoff = new Backoff(undefined, MINUTE);
  backoff.next(1000, 0);
  expect(backoff.next(0, 0)).toBeLessThan(200);
});

test("no wait exceeds the bounds", () => {
  const ms = fc.oneof(fc.constant(0), fc.nat(100_000), fc.double({ min: 0, noNaN: true }));
  fc.assert(
    fc.property(
      ms,
      fc.integer({ min: 1, max: 12 }),
      fc.array(fc.tuple(ms, ms)),
      (total, tries, all) => {
        const backoff = new Backoff(tries, total);
        for (const [index, [given, elapsed]] of all.entries()) {
          const wait = backoff.next(given, elapsed);
          if (wait !== undefined) {
            expect(index + 1).toBeLessThan(tries);
            expect(wait <= total - elapsed && wait >= given).toBe(true);
          }
        }
      },
    ),
  );
});
