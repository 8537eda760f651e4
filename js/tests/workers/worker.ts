// A worker for worker.test.ts.

import { Hono } from "hono";
import { createFetch } from "../../src/fetch/index.ts";
import { rateLimit } from "../../src/hono/index.ts";
import { LocalLimiter, RateLimiter } from "../../src/index.ts";

// Outside of requests, Workers allow neither timers nor random numbers.
const app = new Hono();
const local = new RateLimiter("memory://");
const paced = createFetch({ pace: true });

app.use(
  "/limited/*",
  rateLimit({
    limiter: new LocalLimiter(),
    limit: "2/hour",
    address: (c) => c.req.header("cf-connecting-ip"),
    key: (c) => c.req.header("x-user"),
  }),
);
app.get("/limited/:id", (c) => c.text("fine"));

app.get("/memory", async (c) => c.json(await local.check("user:42", "5/hour")));

app.get("/relay", async (c) => {
  const response = await paced(c.req.query("url") as string);
  return c.text(`${response.status} ${await response.text()}`);
});

export default app;
