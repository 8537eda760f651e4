import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectClient } from "./client.js";

/** Starts the server with the module, runs a function with its port, and stops it. */
export async function withRedis(run) {
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

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}
