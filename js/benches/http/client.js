import { Redis } from "ioredis";

/** A client that has connected to the server on a port of this machine, which may have to start first. */
export async function connectClient(port) {
  const client = new Redis(port, "127.0.0.1", { autoResendUnfulfilledCommands: false });
  client.on("error", () => {});
  await new Promise((resolve) => {
    client.once("ready", resolve);
  });
  return client;
}
