import { expect, test } from "vitest";
import type { Field } from "../../src/http/limit-set.ts";
import { MergedFields } from "../../src/http/merged-fields.ts";

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

function merge(
  own: readonly Field[],
  present: Record<string, string>,
  { status = 200, isDenied = false } = {},
) {
  const response = { status, header: (name: string) => present[name] };
  return new MergedFields(own, response, isDenied, undefined).fields;
}

test("the headers of a response without others are those of the limits", () => {
  expect(merge([...LISTS, ...X_RATELIMIT, RETRY_AFTER], {})).toEqual([
    ...LISTS,
    ...X_RATELIMIT,
    RETRY_AFTER,
  ]);
});

test("lists are joined", () => {
  const present = { "ratelimit-policy": '"other";q=1;w=1', ratelimit: '"other";r=0;t=1' };
  expect(merge(LISTS, present)).toEqual([
    ["ratelimit-policy", '"other";q=1;w=1, "own";q=9;w=60'],
    ["ratelimit", '"other";r=0;t=1, "own";r=8;t=60'],
  ]);
  expect(merge(LISTS, { ratelimit: "" })).toEqual(LISTS);
});

test("headers that were set before are replaced", () => {
  const headers: Record<string, string> = { ratelimit: '"other";r=0;t=1' };
  const response = { status: 200, header: (name: string) => headers[name] };
  let earlier: MergedFields | undefined;
  const set = (own: Field[]) => {
    earlier = new MergedFields(own, response, false, earlier);
    Object.assign(headers, Object.fromEntries(earlier.fields));
    return { ...headers };
  };
  set([...LISTS, ...X_RATELIMIT, RETRY_AFTER]);
  const later = { ratelimit: '"own";r=9;t=60', "x-ratelimit-remaining": "9", "retry-after": "6" };
  expect(set(Object.entries(later))).toEqual({
    "ratelimit-policy": '"own";q=9;w=60',
    ratelimit: '"other";r=0;t=1, "own";r=9;t=60',
    "x-ratelimit-limit": "9",
    "x-ratelimit-remaining": "9",
    "x-ratelimit-reset": "60",
    "retry-after": "6",
  });
  // Those of another, which bind more, stay also if they are set again.
  headers["x-ratelimit-remaining"] = "3";
  expect([set(X_RATELIMIT), set(X_RATELIMIT)].map((set) => set["x-ratelimit-remaining"])).toEqual([
    "3",
    "3",
  ]);
  // The application has set another since.
  headers["retry-after"] = "7";
  headers["x-ratelimit-remaining"] = "3";
  const { "retry-after": wait, "x-ratelimit-remaining": remaining } = set(Object.entries(later));
  expect([wait, remaining]).toEqual(["7", "3"]);
});

test("a time to retry that the response has stays", () => {
  const denied = { status: 429, isDenied: true };
  expect(merge([RETRY_AFTER], { "retry-after": "7" }, denied)).toEqual([]);
});

test.each([
  ["less remains", "7", 200, false, false],
  ["as much remains", "8", 200, false, false],
  ["more remains", "9", 200, false, true],
  ["it is denied by others, with more", "9", 429, false, false],
  // Also without a time to retry, if the cost exceeds the limit.
  ["it is denied by the limits", "0", 429, true, true],
  ["what remains is no number", "none", 429, false, true],
  ["what remains has too many digits", "1".repeat(16), 429, false, true],
])("X-RateLimit headers of a response where %s", (_, remaining, status, isDenied, isReplaced) => {
  const present = { "x-ratelimit-remaining": remaining };
  const merged = merge(X_RATELIMIT, present, { status, isDenied });
  expect(merged).toEqual(isReplaced ? X_RATELIMIT : [["x-ratelimit-remaining", remaining]]);
});
