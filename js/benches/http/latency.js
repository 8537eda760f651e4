// The latency of an application at a steady rate.

import { once } from "node:events";
import { Agent, get } from "node:http";
import { createHistogram } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";

const MAX_CONNECTIONS = 16;
/** Requests a second: few enough that every application keeps up. */
export const RATE = 500;

/** Measures an application. Returns the 50th and the 99th percentile in milliseconds. */
export async function latencyOf({ url }, seconds) {
  // First in, first out: no connection is unused for so long that the application closes it.
  const agent = new Agent({ keepAlive: true, maxSockets: MAX_CONNECTIONS, scheduling: "fifo" });
  const histogram = createHistogram();
  try {
    await sendSteadily(url, agent, 1, createHistogram());
    await sendSteadily(url, agent, seconds, histogram);
  } finally {
    agent.destroy();
  }
  return { p50: histogram.percentile(50) / 1e6, p99: histogram.percentile(99) / 1e6 };
}

/** Sends requests evenly spaced, whether or not earlier ones were answered. */
async function sendSteadily(url, agent, seconds, histogram) {
  const started = performance.now();
  const pending = [];
  for (let sent = 0; sent < RATE * seconds; sent++) {
    await sleep(started + (1000 * sent) / RATE - performance.now());
    const response = send(url, agent, histogram);
    // It rejects at the end, not while others are sent.
    response.catch(() => {});
    pending.push(response);
  }
  await Promise.all(pending);
}

/** Sends a request, and records the nanoseconds until its response has ended. */
async function send(url, agent, histogram) {
  const sent = process.hrtime.bigint();
  const [response] = await once(get(url, { agent }), "response");
  if (response.statusCode !== 200) {
    throw new Error(`${url}: status ${response.statusCode}`);
  }
  await once(response.resume(), "end");
  histogram.record(process.hrtime.bigint() - sent);
}
