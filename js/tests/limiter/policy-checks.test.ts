import { describe, expect, test, vi } from "vitest";
import type { Check } from "../../src/index.ts";
import { ALLOWED, DENIED, FakeClient } from "../support/fake-clients.ts";
import { limiterOf, lost, useFakeTimers } from "../support/fake-limiter.ts";

useFakeTimers();

describe("a policy", () => {
  test("that the user may not read is not fetched again for a minute", async () => {
    const denied = new Error("NOPERM this user has no permissions");
    const client = new FakeClient(([name]) => (name === "RL.POLICY" ? denied : ALLOWED));
    const { limiter } = limiterOf(client);
    for (let n = 0; n < 3; n++) {
      await limiter.check("a", { policy: "gold" });
      await vi.advanceTimersByTimeAsync(0);
    }
    expect(client.sent.filter(([name]) => name === "RL.POLICY")).toHaveLength(1);
  });

  test("that could not be read is fetched again, and one of another form is left out", async () => {
    const loading = new Error("LOADING Redis is loading the dataset in memory");
    const client = new FakeClient(([name]) => (name === "RL.POLICY" ? loading : ALLOWED));
    const { limiter } = limiterOf(client);
    const fetches = async () => {
      await limiter.check("a", { policy: "gold" });
      await vi.advanceTimersByTimeAsync(0);
      return client.sent.filter(([name]) => name === "RL.POLICY").length;
    };
    expect([await fetches(), await fetches()]).toEqual([1, 2]);
    client.answer = ([name]) => (name === "RL.POLICY" ? "nonsense" : ALLOWED);
    expect([await fetches(), await fetches()]).toEqual([3, 3]);
    expect(limiter.health().state).toBe("closed");
  });

  test("in shadow mode records nothing in this process if another key is denied", async () => {
    const shadow = { mode: "shadow", rules: [[9, 60_000]] };
    const client = new FakeClient(([name]) => (name === "RL.POLICY" ? shadow : ALLOWED));
    const { limiter } = limiterOf(client);
    await limiter.check("a", { policy: "trial" });
    await vi.advanceTimersByTimeAsync(0);
    client.answer = lost;
    const checks = [
      { key: "a", rules: { policy: "trial" } },
      { key: "b", rules: "0/minute" },
    ];
    const remaining = async () => (await limiter.checkAll(checks)).map((one) => one.remaining);
    expect([await remaining(), await remaining()]).toEqual([
      [9, 0],
      [9, 0],
    ]);
  });

  test("in shadow mode prevents nothing with the script either", async () => {
    const gone = new Error("ERR unknown command 'RL.MCHECK'");
    const shadow = { mode: "shadow", rules: [[1, 60_000]] };
    const client = new FakeClient(([name]) => (name === "RL.POLICY" ? shadow : ALLOWED));
    const { limiter } = limiterOf(client);
    await limiter.check("a", { policy: "trial" });
    await vi.advanceTimersByTimeAsync(0);
    const operations: (string | undefined)[] = [];
    let first = [ALLOWED];
    let shadowReply: unknown = DENIED;
    client.answer = ([name, , , , operation]) => {
      if (name !== "EVALSHA") {
        return gone;
      }
      operations.push(operation);
      return operation === "mcheck" ? first : shadowReply;
    };
    const checks = [
      { key: "a", rules: { policy: "trial" } },
      { key: "b", rules: "9/minute" },
    ];
    const allowed = async () => (await limiter.checkAll(checks)).map(({ allowed }) => allowed);
    expect(await allowed()).toEqual([true, true]);
    first = [DENIED];
    expect(await allowed()).toEqual([true, false]);
    const shadowOnly = ["a", "c"].map((key) => ({ key, rules: { policy: "trial" } }));
    expect(await limiter.checkAll(shadowOnly)).toMatchObject([
      { allowed: true },
      { allowed: true },
    ]);
    expect(operations).toEqual(["mcheck", "check", "mcheck", "peek", "check", "check"]);
    // The server rejects the check under the policy, after it has recorded the other.
    first = [ALLOWED];
    shadowReply = new Error("WRONGTYPE Operation against a key holding the wrong kind of value");
    expect(await limiter.checkAll(checks)).toMatchObject([
      { allowed: true, source: "fallback", limit: 1 },
      { allowed: true, source: "script" },
    ]);
    // With two rules there is a command for each check.
    const twoRules = [checks[0] as Check, { key: "b", rules: "9/minute; 99/hour" }];
    client.answer = ([name, , , log]) =>
      name === "EVALSHA" ? (log?.startsWith("a") ? shadowReply : ALLOWED) : gone;
    expect(await limiter.checkAll(twoRules)).toMatchObject([
      { allowed: true, source: "fallback", limit: 1 },
      { allowed: true, source: "script" },
    ]);
    client.answer = ([, , , , operation]) => (operation === "mcheck" ? first : shadowReply);
    shadowReply = new Error("LOADING Redis is loading the dataset in memory");
    expect(await limiter.checkAll(checks)).toMatchObject([
      { source: "local" },
      { source: "local" },
    ]);
  });
});
