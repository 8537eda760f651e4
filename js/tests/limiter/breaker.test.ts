import { expect, test } from "vitest";
import { Breaker } from "../../src/limiter/breaker.ts";

test("an outage has one start, no matter how many probes fail", () => {
  const breaker = new Breaker(2, "closed", 0);
  expect(breaker.recordFailure("slow", "transient", 1)).toBe(false);
  expect(breaker.recordFailure("slow", "transient", 2)).toBe(true);
  expect(breaker.recordFailure("slower", "connection-lost", 3)).toBe(false);
  breaker.beginProbe(4);
  expect([breaker.state, breaker.since]).toEqual(["half-open", 2]);
  breaker.recordProbeFailure("refused", 5);
  expect([breaker.state, breaker.since, breaker.lastError]).toEqual(["open", 2, "refused"]);
  breaker.beginProbe(6);
  breaker.recordRecovery(7);
  expect([breaker.state, breaker.since, breaker.opened]).toEqual(["closed", 7, 1]);
  breaker.beginProbe(8);
  breaker.recordRecovery(9);
  expect(breaker.since).toBe(9);
});

test("failures before a recovery do not count after it", () => {
  const breaker = new Breaker(2, "closed", 0);
  breaker.recordFailure("slow", "transient", 1);
  breaker.recordRecovery(2);
  expect(breaker.recordFailure("slow", "transient", 3)).toBe(false);
});
