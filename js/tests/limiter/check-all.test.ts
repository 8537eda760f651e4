import { describe, expect, test, vi } from "vitest";
import { ALLOWED, DENIED, FakeClient } from "../support/fake-clients.ts";
import { limiterOf, lost, useFakeTimers } from "../support/fake-limiter.ts";

useFakeTimers();

describe("checks of several keys", () => {
  test("are a check if there is one, and use the deny cache", async () => {
    const client = new FakeClient(() => DENIED);
    const { limiter } = limiterOf(client, { denyCache: 10 });
    const one = [{ key: "a", rules: "5/second; 9/minute" }];
    expect(await limiter.checkAll(one)).toMatchObject([{ source: "module" }]);
    expect(await limiter.checkAll(one)).toMatchObject([{ source: "deny-cache" }]);
    expect(client.sent.map(([name]) => name)).toEqual(["RL.CHECK"]);
  });

  test("read the rules of their policies, for when the server is unavailable", async () => {
    const policy = { mode: "enforce", rules: [[3, 60_000]] };
    const client = new FakeClient(([name]) => (name === "RL.POLICY" ? policy : [ALLOWED, ALLOWED]));
    const { limiter } = limiterOf(client);
    const checks = [
      { key: "a", rules: { policy: "gold" } },
      { key: "b", rules: "9/minute" },
    ];
    await limiter.checkAll(checks);
    await vi.advanceTimersByTimeAsync(0);
    client.answer = lost;
    expect(await limiter.checkAll(checks)).toMatchObject([
      { limit: 3, source: "local" },
      { limit: 9, source: "local" },
    ]);
  });

  test("have one decision for each key", async () => {
    const { limiter } = limiterOf(new FakeClient(() => [ALLOWED]));
    const checks = ["a", "b"].map((key) => ({ key, rules: "9/minute" }));
    await expect(limiter.checkAll(checks)).rejects.toMatchObject({
      code: "invalid-reply",
      message: "the reply to RL.MCHECK is invalid: it does not have 2 items",
    });
  });

  test("without a server are all recorded, or none, also with several rules", async () => {
    const { limiter } = limiterOf("memory://" as never);
    const checks = [
      { key: "a", rules: "9/minute; 99/hour" },
      { key: "b", rules: "1/minute; 9/hour" },
    ];
    expect((await limiter.checkAll(checks)).map(({ allowed }) => allowed)).toEqual([true, true]);
    expect((await limiter.checkAll(checks)).map(({ remaining }) => remaining)).toEqual([8, 0]);
    expect(await limiter.refund("a", { cost: 9 })).toBe(1);
  });
});
