import { expect, test } from "vitest";
import type { Field } from "../../src/http/limit-set.ts";
import { mergeFields } from "../../src/http/merge-fields.ts";

const LISTS: Field[] = [
  ["ratelimit-policy", '"own";q=9;w=60'],
  ["ratelimit", '"own";r=8;t=60'],
];
const X_RATELIMIT: Field[] = [
  ["x-ratelimit-limit", "9"],
  ["x-ratelimit-remaining", "8"],
  ["x-ratelimit-reset", "60"],
];
const RETRY_AFTER: Field = ["retry-after", "5"];

function merge(own: readonly Field[], present: Record<string, string>, status = 200) {
  return mergeFields(own, { status, header: (name) => present[name] });
}

test("the headers of a response without others are those of the limits", () => {
  expect(merge([...LISTS, ...X_RATELIMIT, RETRY_AFTER], {})).toEqual([
    ...LISTS,
    ...X_RATELIMIT,
    RETRY_AFTER,
  ]);
});

test("lists are joined, once", () => {
  const joined: Field[] = [
    ["ratelimit-policy", '"other";q=1;w=1, "own";q=9;w=60'],
    ["ratelimit", '"other";r=0;t=1, "own";r=8;t=60'],
  ];
  const present = { "ratelimit-policy": '"other";q=1;w=1', ratelimit: '"other";r=0;t=1' };
  expect(merge(LISTS, present)).toEqual(joined);
  expect(merge(LISTS, Object.fromEntries(joined))).toEqual(joined);
  expect(merge(LISTS, Object.fromEntries(LISTS))).toEqual(LISTS);
  expect(merge(LISTS, { ratelimit: "" })).toEqual(LISTS);
});

test("a time to retry that the response has stays", () => {
  expect(merge([RETRY_AFTER], { "retry-after": "7" }, 429)).toEqual([]);
});

test.each([
  ["less remains", "7", 200, [], false],
  ["as much remains", "8", 200, [], false],
  ["more remains", "9", 200, [], true],
  ["it is denied by others, with more", "9", 429, [], false],
  ["it is denied by the limits", "0", 429, [RETRY_AFTER], true],
  ["what remains is no number", "none", 429, [], true],
  ["what remains has too many digits", "1".repeat(16), 429, [], true],
])("X-RateLimit headers of a response where %s", (_, remaining, status, wait, isReplaced) => {
  const present = { "x-ratelimit-remaining": remaining };
  const merged = merge([...X_RATELIMIT, ...(wait as Field[])], present, status);
  expect(merged).toEqual([...(isReplaced ? X_RATELIMIT : []), ...wait]);
});
