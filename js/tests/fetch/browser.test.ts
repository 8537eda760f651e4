import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { chromium, withPage } from "../support/chromium.ts";
import { python, withApp } from "../support/fastapi.ts";
import { serve } from "../support/http-server.ts";

/** The module as it is published. It must be built. */
const script = new URL("../../dist/fetch.js", import.meta.url);

/** Opens a page whose API has another origin, and returns what the expression gives there. */
async function onPage(
  settings: { expose_headers?: boolean },
  expression: (api: string) => string,
): Promise<{ value: unknown; warnings: unknown[] }> {
  const site = await serve((request, response) => {
    const isScript = request.url === "/fetch.js";
    response.setHeader("Content-Type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? readFileSync(script) : "<!doctype html><title>A page</title>");
  });
  let result: { value: unknown; warnings: unknown[] } | undefined;
  try {
    await withApp(settings, async (api) => {
      await withPage(chromium ?? "", async (page) => {
        await page.open(site.url);
        const value = await page.evaluate(
          `import("/fetch.js").then(async ({ createFetch }) => { ${expression(api)} })`,
        );
        result = { value, warnings: page.warnings };
      });
    });
  } finally {
    await site[Symbol.asyncDispose]();
  }
  return result as { value: unknown; warnings: unknown[] };
}

/** Sends three requests at a limit of two a second, and returns their bodies and the waits. */
const threeRequests = (api: string) => `
  const reasons = new Set();
  const fetch = createFetch({ onWait: ({ reason }) => reasons.add(reason) });
  const send = (n) => fetch(new Request("${api}", { method: "POST", body: "text " + n }));
  const responses = await Promise.all([1, 2, 3].map(send));
  const bodies = await Promise.all(responses.map((response) => response.json()));
  return [bodies, [...reasons]];
`;

describe.skipIf(!chromium || !python)("in Chromium, with an API of another origin", () => {
  const bodies = ["text 1", "text 2", "text 3"];

  test("it waits as the headers say that the server exposes", async () => {
    const { value, warnings } = await onPage({}, threeRequests);
    expect(value).toEqual([bodies, ["retry-after"]]);
    expect(warnings).toEqual([]);
  });

  test("it backs off if the server exposes none, and says in the console which", async () => {
    const { value, warnings } = await onPage({ expose_headers: false }, threeRequests);
    expect(value).toEqual([bodies, ["backoff"]]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain("Access-Control-Expose-Headers: Retry-After, RateLimit");
  });

  test("a signal ends a wait at once", async () => {
    const { value } = await onPage(
      {},
      (api) => `
        const signal = AbortSignal.timeout(100);
        const fetch = createFetch();
        const calls = [1, 2, 3].map(() => fetch("${api}", { signal }));
        const settled = await Promise.allSettled(calls);
        return settled.map(({ reason }) => reason?.name).filter(Boolean).at(-1);
      `,
    );
    expect(value).toBe("TimeoutError");
  });
});
