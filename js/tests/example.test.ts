import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, rmSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { chromium, withPage } from "./support/chromium.ts";

/** A copy inside the package, which must be built, finds the package by its name. */
const folder = fileURLToPath(new URL("../dist/example-test/", import.meta.url));

/** Runs the application of the example on a free port, and stops it also if the test fails. */
async function withExample(run: (url: string) => Promise<void>): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  cpSync(fileURLToPath(new URL("../../examples/express", import.meta.url)), folder, {
    recursive: true,
  });
  const child = spawn(process.execPath, [`${folder}app.js`], {
    env: { ...process.env, PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  try {
    const lines = createInterface({ input: child.stdout });
    const [url] = await Promise.race([once(lines, "line"), exited.then(() => [])]);
    expect(url, "the application prints its URL").toMatch(/^http:/);
    await run(url);
  } finally {
    child.kill("SIGKILL");
    await exited;
  }
}

test("the client of the example is denied, and then waits", async () => {
  await withExample(async (url) => {
    const child = spawn(process.execPath, [`${folder}client.js`, url], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let printed = "";
    for await (const chunk of child.stdout) {
      printed += chunk;
    }
    const statuses = [...printed.matchAll(/ {2}(GET|POST) .*? {2,}(\d{3}) {2}/g)].map(
      ([, , status]) => Number(status),
    );
    // The limits slide, so a slow machine may allow one more search.
    expect(statuses.slice(4)).toEqual([
      200, 200, 200, 200, 200, 401, 401, 401, 429, 200, 200, 200, 200,
    ]);
  });
});

test.skipIf(!chromium)("the page of the example shows that it waits", async () => {
  await withExample(async (url) => {
    await withPage(chromium ?? "", async (page) => {
      await page.open(url);
      const search = (button: string) =>
        page.evaluate(`new Promise((done) => {
          document.querySelector("${button}").click();
          const timer = setInterval(() => {
            if (document.querySelector("output").value === "Done") {
              clearInterval(timer);
              done([...document.querySelectorAll("li")].map((item) => item.textContent));
            }
          }, 10);
        })`);
      const plain = (await search("#plain")) as string[];
      expect(plain).toContain('200 {"found":["log"]}');
      expect(plain).toContain("429 denied");
      const waiting = (await search("#waiting")) as string[];
      const [waits, results] = [/^The limit is reached: waiting \d+ s$/, /^200 /];
      expect(waiting.filter((text) => results.test(text))).toHaveLength(6);
      expect(waiting.filter((text) => waits.test(text)).length).toBe(waiting.length - 6);
      expect(waiting.length).toBeGreaterThan(6);
    });
  });
});
