import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import * as express from "../src/express/index.ts";
import * as fastify from "../src/fastify/index.ts";
import * as fetch from "../src/fetch/index.ts";
import * as hono from "../src/hono/index.ts";
import * as main from "../src/index.ts";
import * as store from "../src/store/index.ts";
import * as web from "../src/web/index.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));

const PROGRAM = `
import { LocalLimiter, RateLimiter } from "ratelog";
import { createFetch } from "ratelog/fetch";
import { rateLimit as forExpress } from "ratelog/express";
import { rateLimit as forFastify } from "ratelog/fastify";
import { RatelogStore } from "ratelog/store";
import { rateLimit as forRequests } from "ratelog/web";
import { createRequire } from "node:module";

console.log(new LocalLimiter().check("key", "2/minute").remaining);
console.log([forExpress, forFastify, forRequests, RatelogStore].map((value) => typeof value).join());
console.log((await new RateLimiter("memory://").check("key", "3/minute")).remaining);
// A limiter whose server is unavailable does not keep the process.
const client = { status: "reconnecting", call: () => {}, connect: async () => {} };
const limiter = new RateLimiter(client, { timeoutMs: 1, onEvent: () => {} });
console.log((await limiter.check("key", "3/minute")).source);
const response = await createFetch()("data:text/plain,fine");
console.log(await response.text());
if (process.features.require_module) {
  console.log(createRequire(import.meta.url)("ratelog/fetch").createFetch === createFetch);
} else {
  console.log(true);
}
`;

test("the public names are exactly these", () => {
  expect(Object.keys(main).sort()).toEqual([
    "LimiterError",
    "LocalLimiter",
    "ParseRulesError",
    "RateLimiter",
    "Rules",
  ]);
  expect(Object.keys(fetch)).toEqual(["createFetch"]);
  for (const names of [express, fastify, hono, web].map(Object.keys)) {
    expect(names.sort()).toEqual(["checksOf", "hashed", "rateLimit"]);
  }
  expect(Object.keys(store)).toEqual(["RatelogStore"]);
});

test("the package installs into an empty project, and runs there", async () => {
  const folder = mkdtempSync(join(tmpdir(), "ratelog-"));
  try {
    await run("npm", ["pack", "--ignore-scripts", "--pack-destination", folder], { cwd: root });
    const [archive = ""] = readdirSync(folder);
    writeFileSync(join(folder, "package.json"), '{ "private": true }');
    const options = ["--offline", "--no-audit", "--no-fund", "--ignore-scripts"];
    await run("npm", ["install", ...options, `./${archive}`], { cwd: folder });
    expect(readdirSync(join(folder, "node_modules/ratelog")).sort()).toEqual([
      "LICENSE-APACHE",
      "LICENSE-MIT",
      "README.md",
      "dist",
      "package.json",
    ]);
    expect(readdirSync(join(folder, "node_modules"))).toEqual([".package-lock.json", "ratelog"]);
    writeFileSync(join(folder, "program.mjs"), PROGRAM);
    const { stdout } = await run(process.execPath, ["program.mjs"], { cwd: folder });
    expect(stdout).toBe("1\nfunction,function,function,function\n2\nlocal\nfine\ntrue\n");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
