// Compares what limiters add to a request of Express and Fastify: `scripts/bench-js [--quick] [--output FILE]`.

import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import autocannon from "autocannon";
import { connectClient } from "./client.js";
import { localChecks } from "./local.js";
import { variants } from "./variants.js";

const { values: options } = parseArgs({
  options: { quick: { type: "boolean", default: false }, output: { type: "string" } },
});
const ROUNDS = options.quick ? 1 : 3;
const SECONDS = options.quick ? 1 : 4;
const CONNECTIONS = 16;
/** Requests a second at which waits are measured: low enough that every variant keeps up. */
const STEADY_RATE = 500;

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Starts the server with the module, runs a function with its port, and stops it. */
async function withRedis(run) {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), "ratelog-bench-"));
  const settings = {
    port,
    bind: "127.0.0.1",
    save: "",
    dir: folder,
    loadmodule: process.env.RATELOG_MODULE,
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const child = spawn(process.env.SERVER, flags, { stdio: "ignore" });
  const exited = once(child, "exit");
  try {
    const client = await connectClient(port);
    await run(port);
    client.disconnect();
  } finally {
    child.kill("SIGKILL");
    await exited;
    rmSync(folder, { recursive: true });
  }
}

/** Measures one variant in a process of its own. */
async function measure(framework, variant, redisPort) {
  const env = { ...process.env, NODE_ENV: "production" };
  Object.assign(env, { FRAMEWORK: framework, VARIANT: variant, REDIS_PORT: redisPort });
  const app = fork(new URL("app.js", import.meta.url), { env });
  const exited = once(app, "exit");
  try {
    const [{ port }] = await once(app, "message");
    const url = `http://127.0.0.1:${port}/`;
    const cpuMicros = async () => {
      app.send("cpu");
      const [reply] = await once(app, "message");
      return reply.cpuMicros;
    };
    const load = { url, connections: CONNECTIONS };
    check(await autocannon({ ...load, duration: 1 }), variant);
    const before = await cpuMicros();
    const full = check(await autocannon({ ...load, duration: SECONDS }), variant);
    const used = (await cpuMicros()) - before;
    const steady = check(
      await autocannon({ ...load, duration: SECONDS, overallRate: STEADY_RATE }),
      variant,
    );
    return {
      rate: full.requests.total / full.duration,
      cpu: used / full.requests.total,
      p99: steady.latency.p99,
    };
  } finally {
    app.kill("SIGKILL");
    await exited;
  }
}

/** Fails unless every request was served. */
function check(result, variant) {
  if (result.errors || result.timeouts || result.non2xx || !result["2xx"]) {
    throw new Error(
      `${variant}: ${result.non2xx} responses are no success, ${result.errors} errors`,
    );
  }
  return result;
}

function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** The medians of each variant, over rounds in which all of them take turns. */
async function compare(framework, redisPort) {
  const rounds = [];
  for (let round = 0; round < ROUNDS; round++) {
    const results = {};
    for (const variant of variants[framework]) {
      results[variant] = await measure(framework, variant, redisPort);
    }
    rounds.push(results);
  }
  return variants[framework].map((variant) => {
    const of = (value) => median(rounds.map((results) => value(results[variant], results.none)));
    return {
      variant,
      rate: of((one) => one.rate),
      added: of((one, none) => one.cpu - none.cpu),
      p99: of((one) => one.p99),
      p99Added: of((one, none) => one.p99 - none.p99),
    };
  });
}

function table(rows) {
  const ours = rows.find(({ variant }) => variant === "ratelog").added;
  const lines = rows.map(({ variant, rate, added, p99, p99Added }) => {
    const ofLimiter =
      variant === "none" ? ["", "", ""] : [added.toFixed(0), (ours / added).toFixed(2), p99Added];
    const [cpu, share, latency] = ofLimiter;
    return `| ${variant} | ${Math.round(rate)} | ${cpu} | ${share} | ${p99} | ${latency} |`;
  });
  return [
    "| limiter | requests/s | CPU added, µs | ratelog's / its | p99, ms | p99 added, ms |",
    "| --- | ---: | ---: | ---: | ---: | ---: |",
    ...lines,
  ].join("\n");
}

const sections = [];
await withRedis(async (port) => {
  for (const [framework, title] of [
    ["express", "Express"],
    ["fastify", "Fastify"],
  ]) {
    sections.push(`## ${title}\n\n${table(await compare(framework, port))}`);
    console.log(`\n${sections.at(-1)}`);
  }
});

const checks = options.quick ? 200_000 : 2_000_000;
sections.push(`## Checks in one process

Millions a second, without a server: \`LocalLimiter\`, with a log of each key, beside peers that have a counter of each key.

${await localChecks({ rounds: ROUNDS, checks, median })}`);
console.log(`\n${sections.at(-1)}`);

if (options.output) {
  const text = `# The TypeScript package

\`scripts/bench-js\` compares what limiters add to a request, on one server with the module. Each limits the client's address,
far above the load, and sets headers with what remains. CPU is that of the application's process per request, less that
without a limiter, with ${CONNECTIONS} connections; p99 is the latency at ${STEADY_RATE} requests a second. Figures are medians of ${ROUNDS} rounds in
which all limiters take turns. express-rate-limit counts by rate-limit-redis. Express without a limiter takes about 125 µs for a
request, which varies between rounds by as much as a limiter adds: its figures are rough.

The goal is to add at most half of what the best peer adds, and to check over 2 million times a second in one process.
\`command only\` is the module's command by the same client, without a limiter and without headers: no limiter that asks
the server for each request can add less, so half of a peer that adds little more than that is out of reach. With a
million keys, 2 million checks a second are more than a \`Map\` makes lookups.

Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "unknown"}.

${sections.join("\n\n")}
`;
  writeFileSync(options.output, text);
}
