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
import { serve } from "../support/http-server.ts";
import { missing, programOf } from "../support/runtimes.ts";

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
      lib: { entry: fileURLToPath(new URL("worker.ts", import.meta.url)), formats: ["es"] },
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

test("Hono limits requests in a Worker", async ({ skip }) => {
  if (!workerd) {
    skip(missing("workerd"));
  }
  const responses: Response[] = [];
  for (const id of [1, 2, 3]) {
    const headers = { "cf-connecting-ip": "192.0.2.7" };
    responses.push(await fetch(`${url}/limited/${id}`, { headers }));
  }
  expect(responses.map(({ status }) => status)).toEqual([200, 200, 429]);
  expect(responses[0]?.headers.get("ratelimit")).toBe('"2/hour";r=1;t=3600');
  expect(responses[2]?.headers.get("retry-after")).toMatch(/^3(600|5\d\d)$/);
  const other = await fetch(`${url}/limited/1`, { headers: { "x-user": "a".repeat(200) } });
  expect(other.headers.get("ratelimit")).toBe('"2/hour";r=1;t=3600');
});

test("a limiter without a server decides in a Worker", async ({ skip }) => {
  if (!workerd) {
    skip(missing("workerd"));
  }
  const decision = await (await fetch(`${url}/memory`)).json();
  expect(decision).toMatchObject({ allowed: true, remaining: 4, source: "local" });
});

test("requests of a Worker wait for Retry-After, and for each other", async ({ skip }) => {
  if (!workerd) {
    skip(missing("workerd"));
  }
  const statuses: number[] = [];
  await using api = await serve((_, response) => {
    const status = statuses.length % 3 ? 200 : 429;
    statuses.push(status);
    const headers = status === 429 ? { "retry-after": "1" } : { ratelimit: '"a";r=0;t=1' };
    response.writeHead(status, headers).end("fine");
  });
  const relay = `${url}/relay?url=${encodeURIComponent(api.url)}`;
  const texts = await Promise.all([1, 2, 3].map(async () => await (await fetch(relay)).text()));
  expect(texts).toEqual(["200 fine", "200 fine", "200 fine"]);
  expect(statuses.filter((status) => status === 200)).toHaveLength(3);
});
