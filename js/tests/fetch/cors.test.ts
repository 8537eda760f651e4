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
      'ratelog: https://api.example.com denied a request (429), but the browser hides how long to wait. The server must send "Access-Control-Expose-Headers: Retry-After, RateLimit".',
    ],
  ]);
  await waiting("https://other.example.com/");
  expect(warn).toHaveBeenCalledTimes(2);
});

test("nothing is said if a header can be read, nor elsewhere", async () => {
  await fetchOnce(crossOrigin(429, { "Retry-After": "0" }));
  await fetchOnce(crossOrigin(429, { RateLimit: "malformed;" }));
  await fetchOnce(crossOrigin(429, { "X-RateLimit-Remaining": "0" }));
  await fetchOnce(crossOrigin(503, {}));
  await fetchOnce(crossOrigin(429, {}, "basic"));
  expect(warn).not.toHaveBeenCalled();
});

test("a URL may be relative to the page", async () => {
  vi.stubGlobal("location", { href: "https://www.example.com/page" });
  const fake = async () => crossOrigin(429, {})() as unknown as Response;
  await createFetch({ fetch: fake, maxTries: 1 })("//api.example.com/");
  expect(warn.mock.calls[0]?.[0]).toContain("https://api.example.com");
});
