import { Readable } from "node:stream";
import { Hono } from "hono";
import { checksOf, rateLimit } from "../../../src/hono/index.ts";
import { type AnyOptions, type AnyRequest, convert, type Framework, refund } from "./framework.ts";
import { withFetch } from "./node-server.ts";

export const ofHono: Framework = {
  name: "Hono 4",
  async run({ all, user }, use) {
    const limited = (options: AnyOptions) => {
      const toAny = (c: Parameters<ReturnType<typeof rateLimit>>[0]): AnyRequest => ({
        header: (header) => c.req.header(header),
        query: (key) => c.req.query(key),
      });
      return rateLimit({
        ...convert(options, toAny),
        ...(options.denied && {
          onDenied: (c) => {
            c.header("Retry-After", options.denied?.retryAfter);
            return c.text(options.denied?.text ?? "");
          },
        }),
      });
    };
    const app = new Hono();
    app.onError((_, c) => c.text("failed", 500));
    if (all) {
      app.use(limited(all));
    }
    app.get("/search", (c) => c.text("found"));
    app.get("/health", (c) => c.text("well"));
    const pass = limited({
      limiter: { check: () => Promise.reject() } as never,
      limit: () => null,
    });
    app.get("/users/:id", user ? limited(user) : pass, (c) => c.text("user"));
    app.get("/login", (c) => c.body("", Number(c.req.query("status")) as 200));
    app.get("/refund", async (c) => c.text(await refund(checksOf(c))));
    app.get("/own", (c) => c.body("", 200, { "Access-Control-Expose-Headers": "ETag" }));
    app.get("/stream", () => {
      const chunks = ["one,", "two"].map((text) => new TextEncoder().encode(text));
      return new Response(Readable.toWeb(Readable.from(chunks)) as ReadableStream);
    });
    app.get("/error", () => {
      throw new Error("broken");
    });
    await withFetch(app.fetch, use);
  },
};
