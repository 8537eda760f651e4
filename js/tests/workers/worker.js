// A worker for worker.test.ts.

import { Hono } from "hono";
import { LocalLimiter, RateLimiter } from "ratelog";
import { createFetch } from "ratelog/fetch";
import { rateLimit as honoLimit } from "ratelog/hono";
import { rateLimit } from "ratelog/web";

// Outside of requests, Workers allow neither timers nor random numbers.
const app = new Hono();
const memory = new RateLimiter("memory://");
const limit = rateLimit({ limiter: new LocalLimiter(), limit: "1/hour" });
const paced = createFetch({ pace: true });

app.use(
  "/hono/*",
  honoLimit({
    limiter: new LocalLimiter(),
    limit: "2/hour",
    address: (c) => c.req.header("cf-connecting-ip"),
    key: (c) => c.req.header("x-user"),
  }),
);
app.get("/hono/:id", (c) => c.text("fine"));

app.get("/web", async (c) => {
  const address = c.req.header("cf-connecting-ip");
  const { denied, finish } = await limit(c.req.raw, { address });
  return denied ?? (await finish(new Response("fine")));
});

app.get("/memory", async (c) => c.json(await memory.check("user:42", "5/hour")));

app.get("/relay", async (c) => {
  const response = await paced(c.req.query("url"));
  return c.text(`${response.status} ${await response.text()}`);
});

export default app;
