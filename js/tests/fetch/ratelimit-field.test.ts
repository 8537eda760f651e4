import fc from "fast-check";
import { expect, test } from "vitest";
import { parseRateLimit } from "../../src/fetch/ratelimit-field.ts";
import { naiveItems } from "../support/naive-structured-fields.ts";

function items(value: string): [number, number | undefined][] {
  return parseRateLimit(value).map(({ remaining, resetMs }) => [
    remaining,
    resetMs === undefined ? undefined : resetMs / 1000,
  ]);
}

test("an item may have other parameters in any order, and the last of equal ones counts", () => {
  expect(items('"a";t=5;pk=:YQ==:;r=7, "b";r=1')).toEqual([
    [7, 5],
    [1, undefined],
  ]);
  expect(items('"a";r=1;r=0; t=2;t=3')).toEqual([[0, 3]]);
});

test("the longest reset has fifteen digits", () => {
  expect(items('"a";r=0;t=999999999999999')).toEqual([[0, 999_999_999_999_999]]);
});

test("minus zero is zero", () => {
  expect(items('"a";r=-0;t=-00')).toEqual([[0, 0]]);
});

test("inner lists are omitted and malformed lists are empty", () => {
  for (const list of [
    '"a";r=0;x=:a:',
    '"a";r=0;x=:=:',
    '("b");r=0;t=9',
    "",
    "\ufffd",
    '("b" "c";x=(1));r=0',
    '"a";r=0 ;t=5',
  ]) {
    expect(items(list), list).toEqual([]);
  }
  expect(items('("b" c;x=1 2.5);r=0;t=9 ,\t"a";r=3')).toEqual([[3, undefined]]);
});

test("spaces and tabs may follow the last item, and a comma may not", () => {
  for (const end of ["", " ", "\t", " \t \t"]) {
    expect(items(`  "a";r=3${end}`), end).toEqual([[3, undefined]]);
    expect(items(`"a";r=3${end},${end}`), end).toEqual([]);
    expect(items(`"a";r=3;${end}`), end).toEqual([]);
  }
  expect(items('\t"a";r=3')).toEqual([]);
});

test("items of every type are accepted as names", () => {
  for (const name of ["a/b:c", "*", "-1", "0.125", ":YQ==:", "?1", "@1800000000", '%"f%c3%bc"']) {
    expect(items(`${name};r=0;t=5`), name).toEqual([[0, 5]]);
  }
});

// Fragments of lists: most of their sequences are almost valid.
const fragment = fc.oneof(
  fc.constantFrom('"a"', ";r=", ";t=", "; r=", ";q", ", ", ",", " ", "\t", "(", ")", "=", "-"),
  fc.constantFrom(
    "b",
    "*c",
    ":YQ==:",
    "?1",
    "@5",
    "1.5",
    "-7",
    '"\\"',
    '\\"',
    ".",
    "?",
    "A",
    ";*_",
  ),
  fc.nat(20).map(String),
  fc.bigInt({ min: 0n, max: 10n ** 17n }).map(String),
  fc.string({ maxLength: 2 }),
);
const item = fc
  .tuple(
    fc.constantFrom('"a"', "b", "(c)", '("d" e)', "?0", "12"),
    fc.array(
      fc.tuple(fc.constantFrom("r", "t", "q"), fc.constantFrom("0", "5", "-1", "1.5", '"x"')),
    ),
  )
  .map(
    ([name, parameters]) => name + parameters.map(([key, value]) => `;${key}=${value}`).join(""),
  );
const list = fc.oneof(
  fc.array(fragment, { maxLength: 12 }).map((fragments) => fragments.join("")),
  fc.array(item, { maxLength: 4 }).map((all) => all.join(", ")),
);

test("it reads what a parser by the letter of RFC 9651 reads", () => {
  fc.assert(
    fc.property(
      // The naive parser has no Display Strings.
      list.filter((text) => !text.includes("%")),
      (text) => {
        expect(items(text)).toEqual(naiveItems(text));
      },
    ),
    { numRuns: 5000 },
  );
});

test("a hostile list takes no more than linear time", () => {
  for (const part of ['"a";r=0,', "(a ", "a;b", '"\\', "1", ";r=0", "(1;a=2 ", " ,"]) {
    expect(items(`x${part.repeat(20_000)}\u0000`)).toEqual([]);
  }
});
