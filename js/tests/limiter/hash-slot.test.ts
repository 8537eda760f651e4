import fc from "fast-check";
import { expect, test } from "vitest";
import { hashSlot } from "../../src/limiter/hash-slot.ts";
import { probeKeyOf } from "../../src/limiter/probe-key.ts";
import { logOfKey } from "../../src/limiter/script.ts";

/** CRC-16/XMODEM bit by bit: the remainder of the message, followed by 16 zeros, by the polynomial. */
function naiveSlot(text: string): number {
  const bits = [...Buffer.from(text), 0, 0].flatMap((byte) =>
    [7, 6, 5, 4, 3, 2, 1, 0].map((bit) => (byte >> bit) & 1),
  );
  let remainder = 0;
  for (const bit of bits) {
    const carry = remainder >> 15;
    remainder = ((remainder << 1) & 0xffff) | bit;
    remainder ^= carry ? 0x1021 : 0;
  }
  return remainder % 16_384;
}

test("slots are those of CLUSTER KEYSLOT", () => {
  // As a server returned them.
  expect(["foo", "123456789", "", "user:42", "ключ"].map(hashSlot)).toEqual([
    12_182, 12_739, 0, 15_880, 10_303,
  ]);
});

test("slots are the remainder of a naive division", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      fc.pre(!text.includes("{"));
      expect(hashSlot(text)).toBe(naiveSlot(text));
    }),
  );
});

test("of a key with a hash tag only the tag counts", () => {
  const same = ["foo", "{foo}", "{foo}:1", "a{foo}b{bar}"];
  expect(same.map(hashSlot)).toEqual(same.map(() => 12_182));
  for (const key of ["{}foo", "{foo", "foo}", "}{foo"]) {
    expect(hashSlot(key), key).toBe(naiveSlot(key));
  }
});

test("there is a key for each slot", () => {
  for (const slot of [0, 1, 8191, 16_383]) {
    const key = probeKeyOf((other) => other === slot);
    expect([hashSlot(key), hashSlot(logOfKey(key))]).toEqual([slot, slot]);
  }
  expect(probeKeyOf(() => true)).toBe("ratelog:probe:{0}");
  expect(probeKeyOf(() => false)).toBe("ratelog:probe:{0}");
  expect(probeKeyOf(() => true, "app:")).toBe("app:ratelog:probe:{0}");
  const slot = hashSlot("app");
  expect(probeKeyOf((other) => other === slot, "{app}:")).toBe("{app}:ratelog:probe");
  expect(probeKeyOf((other) => other !== slot, "{app}:")).toBe("ratelog:probe:{0}");
});
