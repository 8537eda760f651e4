import { expect, test } from "vitest";
import { LocalLimiter, ParseRulesError, Rules } from "../src/index.ts";

const START = 1_700_000_000_000;

function frozen(options: { maxBytes?: number } = {}) {
  const clock = { now: START };
  return { clock, limiter: new LocalLimiter({ ...options, now: () => clock.now }) };
}

test("keys are independent", () => {
  const { limiter } = frozen();
  const allowed = (key: string) => limiter.check(key, "2/minute").allowed;
  expect([allowed("a"), allowed("a"), allowed("a"), allowed("b")]).toEqual([
    true,
    true,
    false,
    true,
  ]);
  expect(limiter.size).toBe(2);
});

test("the clock is the system's by default", () => {
  const limiter = new LocalLimiter();
  expect(limiter.check("a", "1/minute").allowed).toBe(true);
  expect(limiter.peek("a", "1/minute").retryAfterMs).toBeGreaterThan(50_000);
});

test("a key without units takes no memory", () => {
  const { limiter } = frozen();
  limiter.check("a", "0/minute");
  limiter.peek("b", "1/minute");
  expect([limiter.refund("c"), limiter.reset("d"), limiter.size, limiter.bytes]).toEqual([
    0, 0, 0, 0,
  ]);
});

test("a reset forgets all units, and a refund takes some back", () => {
  const { limiter } = frozen();
  limiter.check("a", "9/minute", { cost: 5 });
  expect(limiter.refund("a", { cost: 2 })).toBe(2);
  expect(limiter.peek("a", "9/minute").remaining).toBe(6);
  expect(limiter.reset("a")).toBe(3);
  expect([limiter.size, limiter.bytes]).toEqual([0, 0]);
});

test("a reset forgets more units than one check can have", () => {
  const { clock, limiter } = frozen();
  limiter.check("a", "4294967295/hour", { cost: 4_294_967_295 });
  clock.now += 1000;
  limiter.check("a", "4294967295/second", { cost: 4_294_967_295 });
  expect(limiter.reset("a")).toBe(2 * 4_294_967_295);
  expect([limiter.size, limiter.bytes]).toEqual([0, 0]);
});

test("a new key removes others whose units have expired", () => {
  const { clock, limiter } = frozen();
  for (let n = 0; n < 1000; n++) {
    limiter.check(`old ${n}`, "1/second");
  }
  const { bytes } = limiter;
  clock.now += 1000;
  for (let n = 0; n < 1000; n++) {
    limiter.check(`new ${n}`, "1/second");
  }
  expect(limiter.size).toBeLessThanOrEqual(1100);
  expect(limiter.bytes).toBeLessThanOrEqual(bytes * 1.1);
  expect(limiter.evicted).toBe(0);
});

test("the memory is bounded, and keys that were checked recently stay", () => {
  const { limiter } = frozen({ maxBytes: 100_000 });
  limiter.check("busy", "1000000/hour");
  for (let n = 0; n < 5000; n++) {
    limiter.check(`key ${n}`, "1/hour");
    limiter.check("busy", "1000000/hour");
    expect(limiter.bytes).toBeLessThanOrEqual(100_000);
  }
  expect(limiter.size).toBeGreaterThan(100);
  expect(limiter.evicted).toBe(5001 - limiter.size);
  expect(limiter.peek("busy", "1000000/hour").remaining).toBe(1_000_000 - 5001);
});

test("one large log is bounded too", () => {
  const { clock, limiter } = frozen({ maxBytes: 10_000 });
  for (let n = 0; n < 2000; n++) {
    limiter.check("large", "1000000/hour");
    clock.now++;
    expect(limiter.bytes).toBeLessThanOrEqual(10_000);
  }
  expect(limiter.evicted).toBeGreaterThan(0);
});

test("a log that grows removes expired keys, which are not counted as evicted", () => {
  const { clock, limiter } = frozen({ maxBytes: 10_000 });
  limiter.check("large", "1000/hour");
  for (let n = 0; n < 15; n++) {
    limiter.check(`key ${n}`, "1/second");
  }
  clock.now += 1000;
  for (let n = 0; n < 200; n++) {
    limiter.check("large", "1000/hour");
    clock.now++;
  }
  expect(limiter.size).toBeLessThan(16);
  expect([limiter.evicted, limiter.peek("large", "1000/hour").remaining]).toEqual([0, 1000 - 201]);
});

test("more texts than are remembered are parsed correctly", () => {
  const { limiter } = frozen();
  for (let n = 1; n <= 2500; n++) {
    expect(limiter.check(`key ${n}`, `${n}/hour`).limit).toBe(n);
  }
  expect(limiter.check("key 1", "2/hour").remaining).toBe(0);
});

test("wrong arguments are errors, and record nothing", () => {
  const { limiter } = frozen();
  const rules = Rules.parse("1/minute");
  expect(() => limiter.check("a", "1/month")).toThrow(ParseRulesError);
  for (const cost of [0, -1, 1.5, Number.NaN, 2 ** 32]) {
    const error = new RangeError(`cost must be an integer from 1 to 4294967295, not ${cost}`);
    expect(() => limiter.check("a", rules, { cost })).toThrow(error);
    expect(() => limiter.peek("a", rules, { cost })).toThrow(error);
    expect(() => limiter.refund("a", { cost })).toThrow(error);
  }
  expect(limiter.size).toBe(0);
  expect(() => new LocalLimiter({ maxBytes: 0 })).toThrow(
    new RangeError("maxBytes must be positive, not 0"),
  );
});
