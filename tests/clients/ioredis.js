// Runs a request of drivers.py with ioredis: JSON on standard input, replies as JSON on standard output.

import { text } from "node:stream/consumers";

import { Cluster, Redis } from "ioredis";

const { ports, cluster, username, password, batches } = JSON.parse(await text(process.stdin));

function open() {
  const auth = { username, password };
  if (cluster) {
    const nodes = ports.map((port) => ({ host: "127.0.0.1", port }));
    return new Cluster(nodes, { redisOptions: auth, clusterRetryStrategy: null, lazyConnect: true });
  }
  return new Redis({ host: "127.0.0.1", port: ports[0], ...auth, retryStrategy: null, lazyConnect: true });
}

async function send(node, words) {
  return node.call(...words).catch((error) => ({ error: error.message }));
}

async function sendEach(commands) {
  const replies = [];
  for (const { key, words } of commands) {
    if (key !== null) {
      replies.push(await send(client, words));
    } else {
      const nodes = cluster ? client.nodes("master") : [client];
      replies.push(await Promise.all(nodes.map((node) => send(node, words))));
    }
  }
  return replies;
}

async function sendTogether(mode, commands) {
  const pipeline = mode === "transaction" ? client.multi() : client.pipeline();
  for (const { words } of commands) {
    pipeline.call(...words);
  }
  const results = await pipeline.exec();
  return results.map(([error, reply]) => (error ? { error: error.message } : reply));
}

const client = open();
await client.connect();
const replies = [];
for (const { mode, commands } of batches) {
  replies.push(mode === "each" ? await sendEach(commands) : await sendTogether(mode, commands));
}
await client.quit();
console.log(JSON.stringify(replies));
