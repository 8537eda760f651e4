import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";

/** A Python with the package `ratelog`, FastAPI and uvicorn. */
export const python: string | undefined = process.env.RATELOG_PYTHON;
const app = fileURLToPath(new URL("limited_app.py", import.meta.url));

/** Runs the application with settings, and stops it also if the test fails. */
export async function withApp(
  settings: { headers?: string; expose_headers?: boolean; default?: string },
  run: (url: string) => Promise<void>,
): Promise<void> {
  const child = spawn(python ?? "python3", [app, JSON.stringify(settings)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  try {
    const lines = createInterface({ input: child.stdout });
    const [url] = await Promise.race([once(lines, "line"), exited.then(() => [])]);
    expect(url, "the application prints its URL").toBeTypeOf("string");
    await run(url);
  } finally {
    child.stdin.end();
    const killer = setTimeout(() => child.kill("SIGKILL"), 5000);
    await exited;
    clearTimeout(killer);
  }
}
