// Compares what limiters add to a request of Express and Fastify: `scripts/bench-js [--quick] [--output FILE]`.

import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { Application } from "./application.js";
import { latencyOf, RATE } from "./latency.js";
import { localChecks } from "./local.js";
import { withRedis } from "./redis.js";
import { CONNECTIONS, throughputOf } from "./throughput.js";
import { variants } from "./variants.js";

const { values: options } = parseArgs({
  options: { quick: { type: "boolean", default: false }, output: { type: "string" } },
});
const ROUNDS = options.quick ? 1 : 7;
const SECONDS = options.quick ? 1 : 4;
const CHECKS = options.quick ? 200_000 : 2_000_000;

function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** Measures one variant. */
async function measure(framework, variant, redisPort) {
  const application = await Application.start(framework, variant, redisPort);
  try {
    const throughput = await throughputOf(application, SECONDS);
    return { ...throughput, ...(await latencyOf(application, SECONDS)) };
  } finally {
    await application.stop();
  }
}

/** The medians of each variant, over rounds in which all of them take turns, because the machine's speed varies. */
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
    const of = (figure) => median(rounds.map((results) => results[variant][figure]));
    const added = (figure) =>
      median(rounds.map((results) => results[variant][figure] - results.none[figure]));
    return {
      variant,
      rate: of("rate"),
      p50: of("p50"),
      p99: of("p99"),
      cpuAdded: added("cpu"),
      p50Added: added("p50"),
      p99Added: added("p99"),
    };
  });
}

function table(rows) {
  const ours = rows.find(({ variant }) => variant === "ratelog").cpuAdded;
  const lines = rows.map(({ variant, rate, cpuAdded, p50, p50Added, p99, p99Added }) => {
    const added =
      variant === "none"
        ? ["", "", `(${p50.toFixed(2)})`, `(${p99.toFixed(1)})`]
        : [
            cpuAdded.toFixed(0),
            (ours / cpuAdded).toFixed(2),
            p50Added.toFixed(2),
            p99Added.toFixed(1),
          ];
    return `| ${[variant, Math.round(rate), ...added].join(" | ")} |`;
  });
  return [
    "| limiter | requests/s | CPU added, µs | ratelog's / its | p50 added, ms | p99 added, ms |",
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

sections.push(`## Checks in one process

Millions a second, without a server: \`LocalLimiter\`, with a log of each key, beside peers that have a counter of each key.

${await localChecks({ rounds: ROUNDS, checks: CHECKS, median })}`);
console.log(`\n${sections.at(-1)}`);

if (options.output) {
  const text = `# The TypeScript package

\`scripts/bench-js\` compares what limiters add to a request, on one server with the module. Each limits the client's address,
far above the load, and sets headers with what remains. express-rate-limit counts by rate-limit-redis.

- Requests a second and CPU: with ${CONNECTIONS} connections, each of which sends the next request when it has the response.
  CPU is that of the application's process for a request, less that without a limiter.
- p50 and p99: the latency at ${RATE} evenly spaced requests a second, less that without a limiter, which is in the first
  row. The slowest requests are those that meet a pause of the machine: p99 varies from run to run by more than the
  limiters differ.

Figures are medians of ${ROUNDS} rounds in which all limiters take turns.

The goal is to add at most half of what the best peer adds, and to check over 2 million times a second in one process.
\`command only\` is the module's command by the same client, without a limiter and without headers. It is most of what the
best peer adds, so half of that is out of reach for a limiter that asks the server for each request. ratelog writes the
commands of one turn of the event loop at once, which \`command only\` does not. With a million keys, 2 million checks a
second are more than a \`Map\` makes lookups.

Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "unknown"}.

${sections.join("\n\n")}
`;
  writeFileSync(options.output, text);
}
