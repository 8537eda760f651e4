import { execFile } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import * as express from "../src/express/index.ts";
import * as fastify from "../src/fastify/index.ts";
import * as fetch from "../src/fetch/index.ts";
import * as hono from "../src/hono/index.ts";
import * as main from "../src/index.ts";
import * as store from "../src/store/index.ts";
import * as web from "../src/web/index.ts";
import { serve } from "./support/http-server.ts";
import { RedisServer } from "./support/redis-server.ts";
import { NOT_ON_THIS_PLATFORM, programOf } from "./support/runtimes.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));

const PROGRAM = `
import { LocalLimiter, RateLimiter } from "ratelog";
import { createFetch } from "ratelog/fetch";
import { rateLimit as forExpress } from "ratelog/express";
import { rateLimit as forFastify } from "ratelog/fastify";
import { rateLimit as forHono } from "ratelog/hono";
import { RatelogStore } from "ratelog/store";
import { rateLimit } from "ratelog/web";
import { createRequire } from "node:module";

const { REDIS_URL, LIBRARIES } = process.env;
const print = (value) => console.log(String(value));

print(new LocalLimiter().check("key", "2/minute").remaining);
print([forExpress, forFastify, forHono, RatelogStore].map((value) => typeof value));
print((await new RateLimiter("memory://").check("key", "3/minute")).remaining);

const handle = rateLimit({ limiter: new LocalLimiter(), limit: "1/minute", key: () => "user" });
const request = new Request("http://example.com/");
const { finish } = await handle(request);
print((await finish(new Response("fine"))).headers.get("ratelimit"));
print((await handle(new Request("http://example.com/"))).denied.status);

// The server decides, by a library that was made for Node.
const { Redis } = createRequire(LIBRARIES)("ioredis");
const client = new Redis(REDIS_URL, { autoResendUnfulfilledCommands: false });
const limiter = new RateLimiter(client, { timeoutMs: 20_000 });
await limiter.ready();
const decisions = await Promise.all([1, 2, 3].map(() => limiter.check(REDIS_URL, "2/hour")));
print(decisions.map(({ allowed, source }) => source + " " + allowed));
await limiter.reset(REDIS_URL);
limiter.close();
client.disconnect();

// A limiter whose server is unavailable does not keep the process.
const lost = { status: "reconnecting", call: () => {}, connect: async () => {} };
const unavailable = new RateLimiter(lost, { timeoutMs: 1, onEvent: () => {} });
print((await unavailable.check("key", "3/minute")).source);
const response = await createFetch()("data:text/plain,fine");
print(await response.text());
print(!process.features.require_module || createRequire(import.meta.url)("ratelog/fetch").createFetch === createFetch);
`;

const PRINTED = `1
function,function,function,function
2
"1/minute";r=0;t=60
429
module true,module true,module false
local
fine
true
`;

/** How each runtime runs a program. */
const RUNTIMES: Record<string, readonly (string | undefined)[]> = {
  "the installed Node": [process.execPath],
  "Node 20.19": [programOf("", /^node-20-/, "bin/node")],
  "Node 24": [programOf("", /^node-linux-/, "bin/node")],
  Deno: [programOf("@deno", /./, "deno"), "run", "--allow-all", "--node-modules-dir=manual"],
  Bun: [programOf("@oven", /./, "bin/bun"), "run"],
};

/** For each block of the README, what shows that it has run, and its value. */
const README: readonly (readonly [expression: string, value: string])[] = [
  ["response.status", "200"],
  ["allowed", "true"],
  ["allowed", "true"],
  ["typeof app.listen", "function"],
];

let server: RedisServer;
let api: Awaited<ReturnType<typeof serve>>;
/** An empty project with the package as npm publishes it. */
let project: string;

beforeAll(async () => {
  server = await RedisServer.start();
  project = mkdtempSync(join(tmpdir(), "ratelog-"));
  await run("npm", ["pack", "--ignore-scripts", "--pack-destination", project], { cwd: root });
  const [archive = ""] = readdirSync(project);
  writeFileSync(join(project, "package.json"), '{ "private": true }');
  const options = ["--offline", "--no-audit", "--no-fund", "--ignore-scripts"];
  await run("npm", ["install", ...options, `./${archive}`], { cwd: project });
  writeFileSync(join(project, "program.mjs"), PROGRAM);
  // The blocks of the README are in a folder that has the libraries, which the project does not need.
  api = await serve((_, response) => void response.end("fine"));
  mkdirSync(join(project, "readme"));
  symlinkSync(join(root, "node_modules"), join(project, "readme/node_modules"));
  const text = readFileSync(join(root, "README.md"), "utf8");
  const blocks = [...text.matchAll(/```ts\n(.*?)```/gs)];
  expect(blocks).toHaveLength(README.length);
  for (const [index, [, code = ""]] of blocks.entries()) {
    const placed = code
      .replace("https://api.example.com/", api.url)
      .replace("redis://localhost:6379", server.url);
    expect(placed).not.toMatch(/example\.com|localhost/);
    // A client that the block opened would keep the process.
    const end = `console.log(${README[index]?.[0]});\nprocess.exit(0);\n`;
    writeFileSync(join(project, `readme/${index}.mjs`), placed + end);
  }
});
afterAll(async () => {
  await api?.[Symbol.asyncDispose]();
  await server?.stop();
  rmSync(project, { recursive: true });
});

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

test("the package has the version of the other packages", () => {
  const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8");
  const version = /^version = "(.+)"$/m.exec(read("../../Cargo.toml"))?.[1];
  expect(JSON.parse(read("../package.json")).version).toBe(version);
});

test("the package has exactly these files, and needs no other package", () => {
  expect(readdirSync(join(project, "node_modules/ratelog")).sort()).toEqual([
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "dist",
    "package.json",
  ]);
  expect(readdirSync(join(project, "node_modules"))).toEqual([".package-lock.json", "ratelog"]);
});

/** Runs a file of the project. Returns what it printed. */
async function runBy(name: string, file: string, skip: (note: string) => never): Promise<string> {
  const [program, ...args] = RUNTIMES[name] as readonly (string | undefined)[];
  if (!program) {
    return skip(NOT_ON_THIS_PLATFORM);
  }
  const env = { ...process.env, REDIS_URL: server.url, LIBRARIES: import.meta.url };
  const silent = { DENO_NO_UPDATE_CHECK: "1", DO_NOT_TRACK: "1", NO_COLOR: "1" };
  const { stdout } = await run(program, [...(args as string[]), file], {
    cwd: project,
    env: { ...env, ...silent },
  });
  return stdout;
}

test.for(Object.keys(RUNTIMES))("the package runs by %s", async (name, { skip }) => {
  expect(await runBy(name, "program.mjs", skip)).toBe(PRINTED);
});

test.for(Object.keys(RUNTIMES))("the README runs by %s", async (name, { skip }) => {
  const printed: string[] = [];
  for (const index of README.keys()) {
    printed.push((await runBy(name, `readme/${index}.mjs`, skip)).trim());
  }
  expect(printed).toEqual(README.map(([, value]) => value));
});
