import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RedisServer } from "./support/redis-server.ts";

interface Block {
  readonly name: string;
  readonly code: string;
  readonly output: string | undefined;
  /** The code of the last server before the block. */
  readonly server: string;
}

/** Prints the ports of the servers that a program starts. */
const PRELOAD = `
import net from "node:net";
const { listen } = net.Server.prototype;
net.Server.prototype.listen = function (...options) {
  this.once("listening", () => console.log(this.address().port));
  return listen.apply(this, options);
};
`;

/** The blocks are inside the package, so that they import it by its name, as users do. It must be built. */
const folder = fileURLToPath(new URL("../dist/docs/", import.meta.url));
const page = ["../../docs/typescript.md", "../README.md", "../../README.md"]
  .map((path) => readFileSync(new URL(path, import.meta.url), "utf8"))
  .join("\n");
let server = "";
const blocks: Block[] = [...page.matchAll(/```ts\n(.*?)```\n(?:\n```text\n(.*?)```)?/gs)].map(
  ([, code = "", output], index) => {
    server = isServer(code) ? code : server;
    const name = /^\/\/ (\w+)\.ts$/m.exec(code)?.[1] ?? `block-${index + 1}`;
    return { name, code, output, server };
  },
);
const programs = blocks.filter(({ output }) => output !== undefined);

/** Whether a block starts a server. */
function isServer(code: string): boolean {
  return /\b(listen|serve)\(.*\b8000\b/.test(code);
}

/** Writes a program in JavaScript, and returns its path. */
function write(name: string, code: string): string {
  const { outputText } = ts.transpileModule(code, {
    compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext },
  });
  const path = `${folder}${name}.mjs`;
  writeFileSync(path, outputText);
  return path;
}

/** Runs the server of a block on a free port, and stops it also if the test fails. */
async function withServer(
  { name, server: code }: Block,
  run: (url: string) => Promise<void>,
): Promise<void> {
  const path = write(`${name}-server`, code.replace(/\b8000\b/, "0"));
  const preload = write("preload", PRELOAD);
  const child = spawn(process.execPath, ["--import", preload, path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  try {
    const lines = createInterface({ input: child.stdout });
    const [port] = await Promise.race([once(lines, "line"), exited.then(() => [])]);
    expect(port, "the server prints its port").toMatch(/^\d+$/);
    await run(`http://127.0.0.1:${port}/`);
  } finally {
    child.kill("SIGKILL");
    await exited;
  }
}

/** Runs a program, and returns what it prints. */
async function runProgram(path: string): Promise<string> {
  const child = spawn(process.execPath, [path], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  try {
    let printed = "";
    for await (const chunk of child.stdout) {
      printed += chunk;
    }
    expect((await exited)[0]).toBe(0);
    return printed;
  } finally {
    child.kill("SIGKILL");
  }
}

let redis: RedisServer;

beforeAll(async () => {
  redis = await RedisServer.start();
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
});

afterAll(async () => {
  await redis.stop();
});

test("the pages have programs", () => {
  expect(programs.length).toBeGreaterThanOrEqual(15);
});

test("every block compiles", () => {
  const paths = blocks.map(({ name, code }) => {
    const path = `${folder}${name}.ts`;
    // Each block is a module, with or without imports.
    writeFileSync(path, `${code}\nexport {};\n`);
    return path;
  });
  const program = ts.createProgram(paths, {
    target: ts.ScriptTarget.ES2023,
    lib: ["lib.es2023.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts"],
    types: ["node"],
    module: ts.ModuleKind.Preserve,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    strict: true,
    noEmit: true,
    skipLibCheck: true,
  });
  const messages = ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
  expect(messages).toEqual([]);
});

test.each(programs)("$name prints what its page says", async (block) => {
  await withServer(block, async (url) => {
    const places = { "http://127.0.0.1:8000/": url, "redis://127.0.0.1:6379": redis.url };
    const placed = Object.entries(places).reduce(
      (text, [place, actual]) => text.replaceAll(place, actual),
      block.code,
    );
    const path = write(block.name, placed);
    expect(await runProgram(path)).toBe(block.output);
  });
});
