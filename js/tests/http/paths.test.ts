import { expect, test } from "vitest";
import { ExemptPaths, normalizePath, pathOf } from "../../src/http/paths.ts";

test.each([
  ["/users/%37", "/users/7"],
  ["/users/%2d%5F%7e", "/users/-_~"],
  ["/a%2fb", "/a%2Fb"],
  ["/%e4%bd%a0", "/%E4%BD%A0"],
  ["/%", "/%"],
  ["/%4", "/%4"],
  ["/%zz", "/%zz"],
  ["/%+1", "/%+1"],
])("%s is normalized to %s", (path, normalized) => {
  expect(normalizePath(path)).toBe(normalized);
  expect(normalizePath(normalized)).toBe(normalized);
});

test("a query is no part of a path", () => {
  expect(["/a?b?c", "/a", "?", ""].map(pathOf)).toEqual(["/a", "/a", "", ""]);
});

test("exempt paths are exact, have parameters, or any rest", () => {
  const paths = ["/metrics", "/files/:id/raw", "/internal/*", "/a.b/*", "/:lang"];
  const exempt = new ExemptPaths(paths, false);
  for (const path of ["/metrics", "/files/7/raw", "/internal/", "/internal/a/b", "/a.b/c", "/en"]) {
    expect(exempt.has(path), path).toBe(true);
  }
  for (const path of [
    "/metrics/",
    "/metrics/x",
    "/files//raw",
    "/files/7/8/raw",
    "/files/7/raw/x",
    "/aXb/c",
    "/%69nternal/x",
    "/",
    "/x/health",
  ]) {
    expect(exempt.has(path), path).toBe(false);
  }
  expect(exempt.has("/healthz")).toBe(true);
  expect(new ExemptPaths(["/metrics"], false).has("/healthz")).toBe(false);
  expect(new ExemptPaths([], true).has("/healthz")).toBe(true);
});
