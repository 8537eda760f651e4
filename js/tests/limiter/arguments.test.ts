import { describe, expect, test } from "vitest";
import { LocalLimiter } from "../../src/index.ts";
import { ALLOWED, FakeClient } from "../support/fake-clients.ts";
import { limiterOf, useFakeTimers } from "../support/fake-limiter.ts";

useFakeTimers();

describe("arguments of other types", () => {
  const wrongRules = [undefined, null, 5, {}, { limit: 5 }, [], { policy: 5 }] as never[];
  const wrongKeys = [undefined, null, 5, {}] as never[];

  test("are errors, and say nothing about the server", async () => {
    const client = new FakeClient(() => ALLOWED);
    const { limiter } = limiterOf(client);
    await limiter.ready();
    const operations = [
      ...wrongRules.flatMap((rules) => [
        () => limiter.check("a", rules),
        () => limiter.peek("a", rules),
        () => limiter.explain("a", rules),
        () => limiter.checkAll([{ key: "a", rules }]),
        () => limiter.overrides.set("a", { action: "limit", rules }),
        () => limiter.policies.set("gold", rules),
      ]),
      ...wrongKeys.flatMap((key) => [
        () => limiter.check(key, "9/minute"),
        () => limiter.checkAll([{ key, rules: "9/minute" }]),
        () => limiter.refund(key),
        () => limiter.reset(key),
        () => limiter.hits(key),
        () => limiter.overrides.get(key),
        () => limiter.overrides.delete(key),
        () => limiter.policies.get(key),
      ]),
    ];
    for (const operation of operations) {
      await expect(operation()).rejects.toThrow(/^(a key|the name of a policy|rules) must be /);
    }
    const wrong = "other" as never;
    await expect(limiter.policies.set("gold", "1/s", { mode: wrong })).rejects.toThrow(
      new RangeError("mode must be one of enforce, shadow, not 'other'"),
    );
    await expect(limiter.overrides.set("a", { action: wrong })).rejects.toThrow(
      new RangeError("action must be one of allow, deny, limit, not 'other'"),
    );
    expect([client.sent, limiter.health().state]).toEqual([[], "closed"]);
  });

  test("are errors in this process, and in options", () => {
    const limiter = new LocalLimiter();
    for (const rules of wrongRules) {
      expect(() => limiter.check("a", rules)).toThrow(TypeError);
      expect(() => limiter.checkAll([{ key: "a", rules }])).toThrow(TypeError);
      expect(() => new LocalLimiter({ policies: { gold: rules } })).toThrow(TypeError);
      const client = new FakeClient(() => ALLOWED);
      expect(() => limiterOf(client, { policies: { gold: rules } })).toThrow(TypeError);
    }
    for (const key of wrongKeys) {
      expect(() => limiter.check(key, "9/minute")).toThrow(TypeError);
      expect(() => limiter.checkAll([{ key, rules: "9/minute" }])).toThrow(TypeError);
      expect(() => limiter.peek(key, "9/minute")).toThrow(TypeError);
      expect(() => limiter.reset(key)).toThrow(TypeError);
    }
    expect(limiter.size).toBe(0);
  });
});
