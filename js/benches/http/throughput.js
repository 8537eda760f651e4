// The most requests that an application serves.

import autocannon from "autocannon";

export const CONNECTIONS = 16;

/** Sends requests one after the other on each connection. Returns how many a second were served, and how many in all. */
export async function load(url, seconds) {
  const result = await autocannon({ url, connections: CONNECTIONS, duration: seconds });
  const { non2xx, errors, timeouts, requests, duration } = result;
  if (errors || timeouts || non2xx || !result["2xx"]) {
    throw new Error(`${url}: ${non2xx} responses are no success, ${errors} errors`);
  }
  return { rate: requests.total / duration, requests: requests.total };
}

/** Measures an application: requests a second, and its microseconds of CPU for each. */
export async function throughputOf(application, seconds) {
  await load(application.url, 1);
  const before = await application.cpuMicros();
  const { rate, requests } = await load(application.url, seconds);
  return { rate, cpu: ((await application.cpuMicros()) - before) / requests };
}
