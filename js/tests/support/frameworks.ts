import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { serve as serveHono } from "@hono/node-server";
import fastify from "fastify";
import { Hono } from "hono";
import * as forExpress from "../../src/express/index.ts";
import * as forFastify from "../../src/fastify/index.ts";
import * as forHono from "../../src/hono/index.ts";
import type { RequestChecks } from "../../src/http/index.ts";
import type { HttpOptions } from "../../src/http/options.ts";
import * as forWeb from "../../src/web/index.ts";
import { listener, versions } from "./express.ts";
import { serve } from "./http-server.ts";

/** A request of any framework, for the functions in options. */
export interface AnyRequest {
  header(name: string): string | undefined;
  query(name: string): string | undefined;
}

/** Options with functions that take a request of any framework. */
export interface AnyOptions extends HttpOptions<AnyRequest> {
  /** A text in place of problem details, and a value of `Retry-After`. */
  readonly denied?: { readonly text: string; readonly retryAfter: string };
}

/** The limits of an application, and of its route `/users/:id`. */
export interface Limits {
  readonly all?: AnyOptions | undefined;
  readonly user?: AnyOptions | undefined;
}

/**
 * A framework with an application of these routes: `/search`, `/users/:id`, `/stream`, `/error`, `/health`, `/login`,
 * which responds with the status in the query, `/refund`, and `/own`, which exposes a header of its own.
 */
export interface Framework {
  readonly name: string;
  run(limits: Limits, use: (url: string) => Promise<void>): Promise<void>;
}

/** Converts the functions of options to those of a framework. */
function convert<R>(
  { denied, ...options }: AnyOptions,
  toAny: (request: R) => AnyRequest,
): HttpOptions<R> {
  const converted: Record<string, unknown> = { ...options };
  for (const name of ["limit", "plan", "key", "cost", "skip"] as const) {
    const option = options[name];
    if (typeof option === "function") {
      converted[name] = (request: R) => option(toAny(request));
    }
  }
  if (options.limits) {
    converted.limits = options.limits.map((limit) => convert(limit as AnyOptions, toAny));
  }
  return converted as unknown as HttpOptions<R>;
}

async function refund(checks: RequestChecks | undefined): Promise<string> {
  return JSON.stringify([await checks?.refund(), await checks?.refund(), checks?.keys]);
}

type Create = (typeof versions)[number][1];
type ExpressRequest = Parameters<ReturnType<typeof forExpress.rateLimit>>[0];

function ofExpress(name: string, create: Create): Framework {
  const toAny = (request: ExpressRequest): AnyRequest => ({
    header: (header) => request.get(header),
    query: (key) => request.query[key] as string | undefined,
  });
  const limited = (options: AnyOptions) =>
    forExpress.rateLimit({
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
        response.send(await refund(forExpress.checksOf(request)));
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

const ofFastify: Framework = {
  name: "Fastify 5",
  async run({ all, user }, use) {
    type FastifyRequest = Parameters<typeof forFastify.checksOf>[0] & {
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
      }) as forFastify.FastifyOptions;
    const app = fastify();
    const common = all ?? user;
    if (common) {
      const { limit, limits, plans, ...rest } = options(common);
      await app.register(forFastify.rateLimit, all ? options(all) : rest);
    }
    app.get("/search", async () => "found");
    app.get("/health", async () => "well");
    const route = user && (options(user).limits ?? options(user));
    app.get("/users/:id", { config: route ? { ratelog: route } : {} }, async () => "user");
    app.get<{ Querystring: { status: string } }>("/login", async (request, reply) => {
      reply.code(Number(request.query.status));
      return "";
    });
    app.get("/refund", async (request) => await refund(forFastify.checksOf(request)));
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

const ofHono: Framework = {
  name: "Hono 4",
  async run({ all, user }, use) {
    const limited = (options: AnyOptions) => {
      const toAny = (c: Parameters<ReturnType<typeof forHono.rateLimit>>[0]): AnyRequest => ({
        header: (header) => c.req.header(header),
        query: (key) => c.req.query(key),
      });
      return forHono.rateLimit({
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
    app.get("/refund", async (c) => c.text(await refund(forHono.checksOf(c))));
    app.get("/own", (c) => c.body("", 200, { "Access-Control-Expose-Headers": "ETag" }));
    app.get("/stream", () => {
      const chunks = ["one,", "two"].map((text) => new TextEncoder().encode(text));
      return new Response(Readable.toWeb(Readable.from(chunks)) as ReadableStream);
    });
    app.get("/error", () => {
      throw new Error("broken");
    });
    await withHono(app.fetch, use);
  },
};

const ofWeb: Framework = {
  name: "Request",
  async run({ all, user }, use) {
    const limited = (options: AnyOptions | undefined) => {
      const toAny = (request: Request): AnyRequest => ({
        header: (name) => request.headers.get(name) ?? undefined,
        query: (key) => new URL(request.url).searchParams.get(key) ?? undefined,
      });
      return (
        options &&
        forWeb.rateLimit({
          ...convert(options, toAny),
          ...(options.denied && {
            onDenied: () =>
              new Response(options.denied?.text, {
                headers: { "Retry-After": options.denied?.retryAfter ?? "" },
              }),
          }),
        })
      );
    };
    const [limitAll, limitUser] = [limited(all), limited(user)];
    const respond = async (request: Request): Promise<Response> => {
      const { pathname, searchParams } = new URL(request.url);
      switch (pathname) {
        case "/search":
          return new Response("found");
        case "/health":
          return new Response("well");
        case "/login":
          return new Response("", { status: Number(searchParams.get("status")) });
        case "/refund":
          return new Response(await refund(forWeb.checksOf(request)));
        case "/own":
          return new Response("", { headers: { "Access-Control-Expose-Headers": "ETag" } });
        case "/stream":
          return await fetch("data:text/plain,one%2Ctwo");
        case "/error":
          return new Response("failed", { status: 500 });
        default: {
          const isUser = /^\/users\/[^/]+$/.test(pathname);
          return new Response(isUser ? "user" : "missing", { status: isUser ? 200 : 404 });
        }
      }
    };
    const handle = async (request: Request, address: string | undefined): Promise<Response> => {
      const first = await limitAll?.(request, { address });
      if (first?.denied) {
        return first.denied;
      }
      const isUser = new URL(request.url).pathname.startsWith("/users/");
      const second = isUser
        ? await limitUser?.(request, { address, route: "/users/:id" })
        : undefined;
      const checked = second ?? first;
      if (checked?.denied) {
        return checked.denied;
      }
      const response = await respond(request);
      return checked ? await checked.finish(response) : response;
    };
    await withHono((request, env) => handle(request, env.incoming.socket.remoteAddress), use);
  },
};

type Bindings = { incoming: { socket: { remoteAddress?: string } } };

/** Serves a function of a `Request` by `@hono/node-server`. */
async function withHono(
  fetch: (request: Request, env: Bindings) => Response | Promise<Response>,
  use: (url: string) => Promise<void>,
): Promise<void> {
  const server = serveHono({
    fetch: fetch as Parameters<typeof serveHono>[0]["fetch"],
    port: 0,
    hostname: "127.0.0.1",
    overrideGlobalObjects: false,
  });
  await new Promise((resolve) => server.once("listening", resolve));
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    if ("closeAllConnections" in server) {
      server.closeAllConnections();
    }
    await new Promise((resolve) => server.close(resolve));
  }
}

export const frameworks: readonly Framework[] = [
  ...versions.map(([name, create]) => ofExpress(name, create)),
  ofFastify,
  ofHono,
  ofWeb,
];
