// Runs a request of drivers.py with node-redis: JSON on standard input, replies as JSON on standard output.

import { text } from "node:stream/consumers";

import { createClient, createCluster } from "redis";

const { ports, cluster, username, password, batches } = JSON.parse(await text(process.stdin));

function open() {
  const options = { username, password, socket: { reconnectStrategy: false } };
  const urls = ports.map((port) => ({ url: `redis://127.0.0.1:${port}` }));
  return cluster
    ? createCluster({ rootNodes: urls, defaults: options })
    : createClient({ ...urls[0], ...options });
}

async function send(promise) {
  return promise.catch((error) => ({ error: error.message }));
}

async function sendEach(commands) {
  const replies = [];
  for (const { key, words } of commands) {
    if (key !== null) {
      replies.push(await send(cluster ? client.sendCommand(key, false, words) : client.sendCommand(words)));
    } else {
      const nodes = cluster ? await Promise.all(client.masters.map((node) => client.nodeClient(node))) : [client];
      replies.push(await Promise.all(nodes.map((node) => send(node.sendCommand(words)))));
    }
  }
  return replies;
}

async function sendTogether(mode, commands) {
  const multi = cluster ? client.multi(commands[0].key) : client.multi();
  for (const { key, words } of commands) {
    if (cluster) {
      multi.addCommand(key, false, words);
    } else {
      multi.addCommand(words);
    }
  }
  return mode === "transaction" ? multi.exec() : multi.execAsPipeline();
}

const client = open();
client.on("error", (error) => console.error(error));
await client.connect();
const replies = [];
for (const { mode, commands } of batches) {
  replies.push(mode === "each" ? await sendEach(commands) : await sendTogether(mode, commands));
}
await client.close();
console.log(JSON.stringify(replies));
