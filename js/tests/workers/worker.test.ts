import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { build, type Rollup } from "vite";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LocalLimiter } from "../../src/index.ts";
import { serve } from "../support/http-server.ts";
import { NOT_ON_THIS_PLATFORM, programOf } from "../support/runtimes.ts";

/** The runtime of Cloudflare Workers. */
const workerd = programOf("@cloudflare", /^workerd-/, "bin/workerd");

const CONFIG = `
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "worker", worker = (
      modules = [(name = "worker.mjs", esModule = embed "worker.mjs")],
      compatibilityDate = "2026-11-01",
    )),
    (name = "internet", network = (allow = ["local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "worker")],
);
`;

let folder: string;
let child: ChildProcess | undefined;
let url: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "ratelog-"));
  if (!workerd) {
    return;
  }
  const output = (await build({
    configFile: false,
    logLevel: "error",
    build: {
      lib: { entry: fileURLToPath(new URL("worker.js", import.meta.url)), formats: ["es"] },
      write: false,
    },
  })) as Rollup.RollupOutput[];
  writeFileSync(join(folder, "worker.mjs"), output[0]?.output[0].code as string);
  writeFileSync(join(folder, "config.capnp"), CONFIG);
  child = spawn(workerd, ["serve", "config.capnp", "--control-fd=3"], {
    cwd: folder,
    stdio: ["ignore", "inherit", "inherit", "pipe"],
  });
  const exited = once(child, "exit").then(([code]) => {
    throw new Error(`workerd has exited with ${code}`);
  });
  exited.catch(() => {});
  const events = createInterface({ input: child.stdio[3] as Readable });
  const [line] = (await Promise.race([once(events, "line"), exited])) as [string];
  url = `http://127.0.0.1:${JSON.parse(line).port}`;
});

afterAll(async () => {
  if (child?.kill("SIGKILL")) {
    await once(child, "exit");
  }
  rmSync(folder, { recursive: true });
});

/** Sends a request to the worker, as from a client. */
async function get(path: string, headers: Record<string, string> = {}): Promise<Response> {
  return await fetch(url + path, { headers: { "cf-connecting-ip": "192.0.2.7", ...headers } });
}

/** The status and the headers of a limit. */
function summary({ status, headers }: Response): [number, string | null] {
  return [status, headers.get("ratelimit")];
}

test("Hono limits requests in a Worker", async ({ skip }) => {
  skip(!workerd, NOT_ON_THIS_PLATFORM);
  expect(summary(await get("/hono/1"))).toEqual([200, '"2/hour";r=1;t=3600']);
  expect(summary(await get("/hono/2"))).toEqual([200, '"2/hour";r=0;t=3600']);
  const denied = await get("/hono/3");
  expect(denied.status).toBe(429);
  expect(denied.headers.has("retry-after")).toBe(true);
});

test("a long key is hashed in a Worker", async ({ skip }) => {
  skip(!workerd, NOT_ON_THIS_PLATFORM);
  const keys = ["a", "a", "b"].map((letter) => letter.repeat(200));
  const remaining: (string | null)[] = [];
  for (const key of keys) {
    remaining.push((await get("/hono/1", { "x-user": key })).headers.get("ratelimit"));
  }
  expect(remaining.map((field) => /r=\d/.exec(field ?? "")?.[0])).toEqual(["r=1", "r=0", "r=1"]);
});

test("any request is limited in a Worker", async ({ skip }) => {
  skip(!workerd, NOT_ON_THIS_PLATFORM);
  expect(summary(await get("/web"))).toEqual([200, '"1/hour";r=0;t=3600']);
  expect((await get("/web")).status).toBe(429);
});

test("a limiter without a server decides in a Worker", async ({ skip }) => {
  skip(!workerd, NOT_ON_THIS_PLATFORM);
  const decision = await (await get("/memory")).json();
  expect(decision).toMatchObject({ allowed: true, remaining: 4, source: "local" });
});

test("requests of a Worker wait for Retry-After, and for each other", async ({ skip }) => {
  skip(!workerd, NOT_ON_THIS_PLATFORM);
  const limiter = new LocalLimiter();
  let denied = 0;
  await using api = await serve((_, response) => {
    const { allowed, remaining, retryAfterMs, resetAfterMs } = limiter.check("worker", "1/second");
    denied += allowed ? 0 : 1;
    const headers = allowed
      ? { ratelimit: `"a";r=${remaining};t=${Math.ceil(resetAfterMs / 1000)}` }
      : { "retry-after": `${Math.ceil((retryAfterMs as number) / 1000)}` };
    response.writeHead(allowed ? 200 : 429, headers).end("fine");
  });
  limiter.check("worker", "1/second");
  const relay = `/relay?url=${encodeURIComponent(api.url)}`;
  const texts = [await (await get(relay)).text()];
  expect(denied).toBe(1);
  const responses = await Promise.all([get(relay), get(relay)]);
  texts.push(...(await Promise.all(responses.map((response) => response.text()))));
  expect(texts).toEqual(["200 fine", "200 fine", "200 fine"]);
  // Without the headers, they would have been denied several times each.
  expect(denied).toBe(1);
});
