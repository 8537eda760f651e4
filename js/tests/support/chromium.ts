import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";

/** Chromium, if it is installed. */
export const chromium: string | undefined = findChromium();

function findChromium(): string | undefined {
  try {
    return execFileSync("which", ["chromium"], { encoding: "utf8", stdio: "pipe" }).trim();
  } catch {
    return undefined;
  }
}

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  "--remote-debugging-pipe",
];

interface Message {
  id?: number;
  method?: string;
  params?: { type?: string; args?: { value?: unknown }[] };
  result?: Record<string, unknown>;
  error?: { message: string };
}

/** A page in Chromium, controlled by the DevTools protocol over a pipe. */
export class Page {
  /** The warnings that the page writes to the console. */
  readonly warnings: unknown[] = [];
  readonly #input: Writable;
  readonly #pending: Map<number, (message: Message) => void> = new Map();
  #id = 0;
  #session: string | undefined;

  constructor(child: ChildProcess) {
    this.#input = child.stdio[3] as Writable;
    let received = "";
    (child.stdio[4] as Readable).setEncoding("utf8").on("data", (chunk: string) => {
      const messages = (received + chunk).split("\0");
      received = messages.pop() ?? "";
      for (const message of messages) {
        this.#receive(JSON.parse(message));
      }
    });
  }

  /** Opens a page at a URL. */
  async open(url: string): Promise<void> {
    const { targetId } = await this.#call("Target.createTarget", { url: "about:blank" });
    const session = await this.#call("Target.attachToTarget", { targetId, flatten: true });
    this.#session = session.sessionId as string;
    await this.#call("Runtime.enable", {});
    await this.#call("Page.enable", {});
    await this.#call("Page.navigate", { url });
    await this.evaluate(
      "new Promise((done) => document.readyState === 'complete' ? done() : addEventListener('load', done))",
    );
  }

  /** Evaluates an expression, and waits for its promise. */
  async evaluate(expression: string): Promise<unknown> {
    const options = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await this.#call("Runtime.evaluate", options);
    if (exceptionDetails) {
      throw new Error(JSON.stringify(exceptionDetails));
    }
    return (result as { value?: unknown }).value;
  }

  /** Ends the browser. */
  async close(): Promise<void> {
    this.#session = undefined;
    await this.#call("Browser.close", {});
  }

  async #call(method: string, params: object): Promise<Record<string, unknown>> {
    const id = ++this.#id;
    const reply = new Promise<Message>((resolve) => this.#pending.set(id, resolve));
    this.#input.write(`${JSON.stringify({ id, method, params, sessionId: this.#session })}\0`);
    const { result, error } = await reply;
    if (!result) {
      throw new Error(`${method}: ${error?.message}`);
    }
    return result;
  }

  #receive(message: Message): void {
    if (message.id !== undefined) {
      this.#pending.get(message.id)?.(message);
      this.#pending.delete(message.id);
    } else if (
      message.method === "Runtime.consoleAPICalled" &&
      message.params?.type === "warning"
    ) {
      this.warnings.push(message.params.args?.[0]?.value);
    }
  }
}

/** Runs Chromium, and stops it also if the test fails. */
export async function withPage(program: string, run: (page: Page) => Promise<void>): Promise<void> {
  const profile = mkdtempSync(join(tmpdir(), "ratelog-chromium-"));
  const child = spawn(program, [...FLAGS, `--user-data-dir=${profile}`], {
    stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
  });
  const exited = once(child, "exit");
  try {
    const page = new Page(child);
    await run(page);
    await page.close();
    await Promise.race([exited, sleep(10_000, undefined, { ref: false })]);
  } finally {
    child.kill("SIGKILL");
    await exited;
    await rm(profile, { recursive: true, force: true, maxRetries: 50, retryDelay: 10 });
  }
}
