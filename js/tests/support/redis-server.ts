import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const SERVER = process.env.SERVER ?? "redis-server";
const MODULE = process.env.RATELOG_MODULE;

/** A free port of this machine. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** A real server on a free port, in a folder of its own. */
export class RedisServer {
  readonly port: number;
  readonly #options: readonly string[];
  readonly #folder = mkdtempSync(join(tmpdir(), "ratelog-js-"));
  #config: string | undefined;
  #child: ChildProcess | undefined;
  readonly #killNow = () => this.#child?.kill("SIGKILL");

  /** The port of the bus of a cluster. */
  readonly busPort: number | undefined;

  private constructor(port: number, options: readonly string[], busPort?: number) {
    this.port = port;
    this.busPort = busPort;
    this.#options = options;
    process.once("exit", this.#killNow);
  }

  /** Starts a server, by default with the module. */
  static async start({
    hasModule = true,
    options = [],
    busPort,
    config,
  }: {
    hasModule?: boolean;
    options?: readonly string[];
    busPort?: number;
    /** Lines of a configuration file, which the server may change. */
    config?: (port: number) => string;
  } = {}): Promise<RedisServer> {
    if (hasModule && !MODULE) {
      throw new Error("RATELOG_MODULE is not set: scripts/test-js sets it");
    }
    const loading = hasModule ? ["--loadmodule", MODULE as string] : [];
    const saving = options.includes("--sentinel") ? [] : ["--save", ""];
    const server = new RedisServer(await freePort(), [...saving, ...options, ...loading], busPort);
    if (config) {
      server.#config = join(server.#folder, "server.conf");
      writeFileSync(server.#config, config(server.port));
    }
    await server.restart();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts the server again, on its port. */
  async restart(): Promise<void> {
    const config = this.#config ? [this.#config] : [];
    const places = [
      ...config,
      "--port",
      String(this.port),
      "--bind",
      "127.0.0.1",
      "--dir",
      this.#folder,
    ];
    const child = spawn(SERVER, [...places, ...this.#options], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#child = child;
    const printed: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      printed.push(line);
      if (/Ready to accept connections|Sentinel ID is/.test(line)) {
        child.stdout.resume();
        return;
      }
    }
    throw new Error(`the server did not start:\n${printed.join("\n")}`);
  }

  /** Suspends the server: it accepts bytes, and answers nothing. */
  suspend(): void {
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  /** Ends the process, as a crash does. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child && child.exitCode === null && child.signalCode === null) {
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    }
  }

  async stop(): Promise<void> {
    await this.kill();
    process.off("exit", this.#killNow);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
