import { once } from "node:events";
import { Redis } from "ioredis";

/** A client that has connected to the server on a port of this machine. */
export async function connectClient(port) {
  const client = new Redis(port, "127.0.0.1", { autoResendUnfulfilledCommands: false });
  await once(client, "ready");
  return client;
}
