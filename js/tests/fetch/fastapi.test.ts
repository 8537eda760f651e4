import { expect, test } from "vitest";
import { createFetch, type Wait } from "../../src/fetch/index.ts";
import { python, withApp } from "../support/fastapi.ts";

test.skipIf(!python).for(["draft-11", "x-ratelimit-epoch", "none"])(
  "a FastAPI application denies nothing in the end: %s",
  async (headers) => {
    await withApp({ headers }, async (url) => {
      const waits: Wait[] = [];
      const waiting = createFetch({ onWait: (wait) => waits.push(wait) });
      const calls = [1, 2, 3].map((n) => waiting(url, { method: "POST", body: `text ${n}` }));
      const responses = await Promise.all(calls);
      expect(responses.map(({ status }) => status)).toEqual([200, 200, 200]);
      expect(await Promise.all(responses.map((response) => response.json()))).toEqual([
        "text 1",
        "text 2",
        "text 3",
      ]);
      expect(waits.length).toBeGreaterThan(0);
      expect(waits[0]?.reason).toBe("retry-after");
    });
  },
);

test.skipIf(!python)(
  "a FastAPI application denies nothing at all if requests are paced",
  async () => {
    await withApp({}, async (url) => {
      const waits: Wait[] = [];
      const waiting = createFetch({ pace: true, onWait: (wait) => waits.push(wait) });
      for (let n = 0; n < 4; n++) {
        expect((await waiting(url)).status).toBe(200);
      }
      expect(waits.filter(({ reason }) => reason !== "pace")).toEqual([]);
    });
  },
);
