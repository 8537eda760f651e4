import { Readable } from "node:stream";
import fastify from "fastify";
import { checksOf, type FastifyOptions, rateLimit } from "../../../src/fastify/index.ts";
import { type AnyOptions, type AnyRequest, convert, type Framework, refund } from "./framework.ts";

export const ofFastify: Framework = {
  name: "Fastify 5",
  async run({ all, user }, use) {
    type FastifyRequest = Parameters<typeof checksOf>[0] & {
      headers: Record<string, string | undefined>;
      query: Record<string, string | undefined>;
    };
    const toAny = (request: FastifyRequest): AnyRequest => ({
      header: (header) => request.headers[header],
      query: (key) => request.query[key],
    });
    const options = (given: AnyOptions) =>
      ({
        ...convert(given, toAny),
        ...(given.denied && {
          onDenied: (_, reply) => {
            reply.header("Retry-After", given.denied?.retryAfter);
            return given.denied?.text;
          },
        }),
      }) as FastifyOptions;
    const app = fastify();
    const common = all ?? user;
    if (common) {
      const { limit, limits, plans, ...rest } = options(common);
      await app.register(rateLimit, all ? options(all) : rest);
    }
    app.get("/search", async () => "found");
    app.get("/health", async () => "well");
    const route = user && (options(user).limits ?? options(user));
    app.get("/users/:id", { config: route ? { ratelog: route } : {} }, async () => "user");
    app.get<{ Querystring: { status: string } }>("/login", async (request, reply) => {
      reply.code(Number(request.query.status));
      return "";
    });
    app.get("/refund", async (request) => await refund(checksOf(request)));
    app.get("/own", async (_, reply) => {
      reply.header("Access-Control-Expose-Headers", "ETag");
      return "";
    });
    app.get("/stream", async () => Readable.from(["one,", "two"]));
    app.get("/error", async () => {
      throw new Error("broken");
    });
    const url = await app.listen({ port: 0, host: "127.0.0.1" });
    try {
      await use(url);
    } finally {
      await app.close();
    }
  },
};
