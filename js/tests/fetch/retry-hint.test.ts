import { expect, test } from "vitest";
import { readRetryHint } from "../../src/fetch/retry-hint.ts";

const now = Date.UTC(2027, 0, 15, 8);

function read(headers: Record<string, string>) {
  return readRetryHint(new Headers(headers), now);
}

test("X- names other headers, except those of the limits", () => {
  expect(read({ "X-Retry-After": "7", "X-RateLimit": '"a";r=0;t=5' })).toEqual({
    retryAfterMs: undefined,
    remaining: undefined,
    resetMs: undefined,
  });
  const limits = { "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "4" };
  expect(read(limits)).toMatchObject({ remaining: 0, resetMs: 4000 });
});

test("X-Date does not replace the date of the response", () => {
  const headers = {
    Date: "Fri, 15 Jan 2027 09:00:00 GMT",
    "Retry-After": "Fri, 15 Jan 2027 09:00:10 GMT",
  };
  for (const date of ["2027", "Fri, 15 Jan 2027 09:00:09 GMT"]) {
    expect(read({ ...headers, "X-Date": date }).retryAfterMs).toBe(10_000);
  }
});
