import { checksOf, rateLimit } from "../../../src/express/index.ts";
import { listener, type versions } from "../express.ts";
import { serve } from "../http-server.ts";
import { type AnyOptions, type AnyRequest, convert, type Framework, refund } from "./framework.ts";

type Create = (typeof versions)[number][1];
type ExpressRequest = Parameters<ReturnType<typeof rateLimit>>[0];

export function ofExpress(name: string, create: Create): Framework {
  const toAny = (request: ExpressRequest): AnyRequest => ({
    header: (header) => request.get(header),
    query: (key) => request.query[key] as string | undefined,
  });
  const limited = (options: AnyOptions) =>
    rateLimit({
      ...convert(options, toAny),
      ...(options.denied && {
        onDenied: (_, response) => {
          response.setHeader("Retry-After", options.denied?.retryAfter ?? "");
          response.send(options.denied?.text);
        },
      }),
    });
  return {
    name,
    async run({ all, user }, use) {
      const app = create();
      app.set("env", "test");
      if (all) {
        app.use(limited(all));
      }
      app.get("/search", (_, response) => void response.send("found"));
      app.get("/health", (_, response) => void response.send("well"));
      const route = user ? [limited(user)] : [];
      app.get("/users/:id", ...route, (_, response) => void response.send("user"));
      app.get("/login", (request, response) => {
        response.status(Number(request.query.status)).send("");
      });
      app.get("/refund", async (request, response) => {
        response.send(await refund(checksOf(request)));
      });
      app.get("/own", (_, response) => {
        response.setHeader("Access-Control-Expose-Headers", "ETag").send("");
      });
      app.get("/stream", async (_, response) => {
        response.write("one,");
        await new Promise((resolve) => setImmediate(resolve));
        response.end("two");
      });
      app.get("/error", () => {
        throw new Error("broken");
      });
      const server = await serve(listener(app));
      try {
        await use(server.url.slice(0, -1));
      } finally {
        await server[Symbol.asyncDispose]();
      }
    },
  };
}
