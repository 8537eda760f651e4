import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createFetch } from "../../src/fetch/index.ts";
import { fakeFetch } from "../support/server.ts";

const warn = vi.spyOn(console, "warn").mockImplementation(() => {});

beforeEach(() => {
  warn.mockClear();
});
afterEach(() => {
  vi.unstubAllGlobals();
});

/** A response of another origin, as a browser shows it to scripts. */
function crossOrigin(status: number, headers: Record<string, string>, type = "cors") {
  return () => ({ status, type, headers: new Headers(headers), body: null });
}

async function fetchOnce(answer: () => unknown, url = "https://api.example.com/"): Promise<void> {
  await createFetch({ fetch: fakeFetch(answer), maxTries: 1 })(url);
}

test("a denial without readable headers names the header to expose, once for each origin", async () => {
  const denied = crossOrigin(429, { "content-type": "application/json" });
  const waiting = createFetch({ fetch: fakeFetch(denied), maxTries: 1 });
  await waiting("https://api.example.com/a");
  await waiting("https://api.example.com/b");
  expect(warn.mock.calls).toEqual([
    [
      'ratelog: https://api.example.com denied a request, but does not expose how long to wait. It must send "Access-Control-Expose-Headers: Retry-After, RateLimit".',
    ],
  ]);
  await fetchOnce(denied);
  expect(warn).toHaveBeenCalledTimes(1);
  await waiting("https://other.example.com/");
  expect(warn).toHaveBeenCalledTimes(2);
});

test("nothing is said if a header can be read, nor elsewhere", async () => {
  for (const readable of [
    crossOrigin(429, { "Retry-After": "0" }),
    crossOrigin(429, { RateLimit: "malformed;" }),
    crossOrigin(429, { "X-RateLimit-Remaining": "0" }),
    crossOrigin(503, {}),
    crossOrigin(429, {}, "basic"),
  ]) {
    await fetchOnce(readable, "https://readable.example.com/");
  }
  expect(warn).not.toHaveBeenCalled();
});

test("a URL may be relative to the page", async () => {
  vi.stubGlobal("location", { href: "https://www.example.com/page" });
  const fake = async () => crossOrigin(429, {})() as unknown as Response;
  await createFetch({ fetch: fake, maxTries: 1 })("//static.example.com/");
  expect(warn.mock.calls[0]?.[0]).toContain("https://static.example.com");
});

test("the number of warnings is bounded", async () => {
  const waiting = createFetch({ fetch: fakeFetch(crossOrigin(429, {})), maxTries: 1 });
  for (let n = 0; n < 200; n++) {
    await waiting(`https://${n}.example.com/`);
  }
  expect(warn.mock.calls.length).toBeLessThanOrEqual(100);
});
