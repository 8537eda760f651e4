import fc from "fast-check";
import { expect, test } from "vitest";
import { LimiterError } from "../../src/index.ts";
import { parseExplanation } from "../../src/limiter/explanation.ts";
import { parseHits, parseTop } from "../../src/limiter/key-lists.ts";
import { parseOverride } from "../../src/limiter/override-admin.ts";
import { Reply } from "../../src/limiter/reply.ts";
import { parseStats } from "../../src/limiter/stats.ts";

const reply = (value: unknown) => new Reply("RL.TEST", value);

test("integers are numbers, big integers and texts", () => {
  const text = Buffer.from("-1");
  expect([1, 1n, "1", text].map((value) => reply(value).integer())).toEqual([1, 1, 1, -1]);
  for (const value of [1.5, "x", null, {}, Number.NaN, 2 ** 60]) {
    expect(() => reply(value).integer()).toThrow(
      "the reply to RL.TEST is invalid: it is not an integer",
    );
  }
});

test("a decision is six integers of any form", () => {
  const forms = [
    [1, 5, 4, 0, 60_000, 60_000],
    [1n, 5n, 4n, 0n, 60_000n, 60_000n],
    ["1", "5", "4", "0", "60000", Buffer.from("60000")],
  ];
  for (const form of forms) {
    expect(reply(form).plainDecision()).toEqual({
      allowed: true,
      limit: 5,
      remaining: 4,
      retryAfterMs: 0,
      resetAfterMs: 60_000,
      windowMs: 60_000,
    });
  }
  for (const wrong of [1.5, Number.NaN, 2 ** 60, "x", null]) {
    expect(() => reply([1, 5, wrong, 0, 60_000, 60_000]).plainDecision()).toThrow(
      "it is not an integer",
    );
  }
});

test("a map is read in the form of each library", () => {
  const forms = [
    new Map([["mode", "shadow"], ["rules", [[1, 1000]]] as never]),
    { mode: "shadow", rules: [[1, 1000]] },
    [
      { key: "mode", value: "shadow" },
      { key: "rules", value: [[1, 1000]] },
    ],
    ["mode", "shadow", "rules", [["1", "1000"]]],
    [Buffer.from("mode"), Buffer.from("shadow"), Buffer.from("rules"), [[1n, 1000n]]],
  ];
  for (const form of forms) {
    const policy = reply(form).policy();
    expect([policy?.mode, String(policy?.rules)]).toEqual(["shadow", "1/second"]);
  }
  expect(reply(null).policy()).toBeUndefined();
});

test.each([
  [() => reply([1, 2, 3]).plainDecision(), "it has 3 items: a decision has six integers"],
  [() => reply("text").plainDecision(), "it is not a list"],
  [() => reply([2, 1, 1, 0, 0, 1]).plainDecision(), "it has integers out of range: 2 1 1 0 0 1"],
  [() => reply([1, -1, 1, 0, 0, 1]).plainDecision(), "it has integers out of range: 1 -1 1 0 0 1"],
  [() => reply([0, 1, 1, -2, 0, 1]).plainDecision(), "it has integers out of range: 0 1 1 -2 0 1"],
  [() => reply([[1, 2, 3]]).rules(), "it does not have 2 items"],
  [() => reply([[1, 0]]).rules(), "it has wrong rules: windowMs must be an integer"],
  [() => reply({ mode: "other" }).policy(), "it is none of enforce, shadow"],
  [() => reply({ mode: "enforce" }).policy(), "it has no rules"],
  [() => reply({ mode: "enforce", rules: [] }).policy(), "it has no rules"],
  [() => reply("text").field("mode"), "it is not a map"],
  [() => reply(1).text(), "it is not a text"],
])("a reply of another form is an error: %#", (parse, message) => {
  expect(parse).toThrow(`the reply to RL.TEST is invalid: ${message}`);
});

test("any reply is parsed or is an error of this package", () => {
  const names = ["mode", "rules", "action", "ttl_ms", "policies", "checks", "decision", "rule"];
  const leaf = fc.oneof(fc.integer(), fc.string(), fc.constant(null), fc.constantFrom(...names));
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      leaf,
      fc.array(tie("value")),
      fc.dictionary(fc.constantFrom(...names), tie("value")),
    ),
  }));
  const parsers = [parseExplanation, parseHits, parseTop, parseOverride, parseStats];
  fc.assert(
    fc.property(value, fc.constantFrom(...parsers), (value, parse) => {
      try {
        parse(reply(value));
      } catch (error) {
        expect(error).toBeInstanceOf(LimiterError);
      }
    }),
  );
});
