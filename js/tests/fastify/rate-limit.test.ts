import fastify, { type FastifyInstance } from "fastify";
import { expect, test, vi } from "vitest";
import { checksOf, rateLimit } from "../../src/fastify/index.ts";
import { frozenLimiter } from "../support/frozen-limiter.ts";

const limiter = () => frozenLimiter();

/** Listens on a free port, and closes the application also if the test fails. */
async function withApp(
  configure: (app: FastifyInstance) => Promise<void>,
  run: (url: string) => Promise<void>,
): Promise<void> {
  const app = fastify();
  try {
    await configure(app);
    await run(await app.listen({ port: 0, host: "127.0.0.1" }));
  } finally {
    await app.close();
  }
}

async function statuses(url: string, ...paths: string[]): Promise<number[]> {
  const found: number[] = [];
  for (const path of paths) {
    found.push((await fetch(url + path)).status);
  }
  return found;
}

test("a route has its own limits, or none", async () => {
  await withApp(
    async (app) => {
      await app.register(rateLimit, { limiter: limiter(), limit: "3/minute" });
      const ratelog = [{ limit: "1/minute" }, { limit: "9/hour", scope: "reports" }];
      app.route({
        method: ["GET", "PUT"],
        url: "/report",
        config: { ratelog },
        handler: async (request) => checksOf(request)?.keys,
      });
      app.get(
        "/free",
        { config: { ratelog: false } },
        async (request) => checksOf(request) ?? "free",
      );
      app.get("/", async () => "fine");
    },
    async (url) => {
      const response = await fetch(`${url}/report`);
      expect(await response.json()).toEqual([
        "ratelog:{ip:127.0.0.1}:*",
        "ratelog:{ip:127.0.0.1}:GET,PUT /report",
        "ratelog:{ip:127.0.0.1}:reports",
      ]);
      expect(await statuses(url, "/report", "/free", "/free", "/", "/", "/", "/free")).toEqual([
        429, 200, 200, 200, 200, 429, 200,
      ]);
      expect((await fetch(`${url}/free`)).headers.get("ratelimit")).toBeNull();
    },
  );
});

test("a plugin of an instance with a prefix counts by the prefix", async () => {
  await withApp(
    async (app) => {
      await app.register(
        async (admin) => {
          await admin.register(rateLimit, { limiter: limiter(), limit: "1/minute" });
          admin.get("/status", async (request) => checksOf(request)?.keys);
        },
        { prefix: "/admin" },
      );
      app.get("/", async () => "fine");
    },
    async (url) => {
      const response = await fetch(`${url}/admin/status`);
      expect(await response.json()).toEqual(["ratelog:{ip:127.0.0.1}:/admin/*"]);
      expect(await statuses(url, "/admin/status", "/", "/")).toEqual([429, 200, 200]);
    },
  );
});

test("a mistake in a route is an error when it is added", async () => {
  const app = fastify();
  await app.register(rateLimit, { limiter: limiter() });
  const options = { config: { ratelog: { limit: "many" } } };
  expect(() => app.get("/", options, async () => "fine")).toThrow("expected a limit");
  await app.close();
});

test("limits of routes that were added before the plugin are found, too", async () => {
  const warn = vi.fn();
  await withApp(
    async (app) => {
      app.get("/", { config: { ratelog: { limit: "1/minute" } } }, async () => "fine");
      await app.register(rateLimit, { limiter: limiter(), warn });
    },
    async (url) => {
      expect(await statuses(url, "/")).toEqual([200]);
    },
  );
});

test("another hook is refused", async () => {
  const started = withApp(
    async (app) => {
      const hook = "prehandler" as "preHandler";
      await app.register(rateLimit, { limiter: limiter(), limit: "5/minute", hook });
    },
    async () => {},
  );
  await expect(started).rejects.toThrow(
    "hook must be one of onRequest, preHandler, not 'prehandler'",
  );
});

test("a request can be checked after its body was read", async () => {
  await withApp(
    async (app) => {
      await app.register(rateLimit, {
        limiter: limiter(),
        limit: "5/minute",
        hook: "preHandler",
        cost: (request) => (request.body as string[]).length,
      });
      app.post("/", async (request) => request.body);
    },
    async (url) => {
      const post = async (items: number) => {
        const headers = { "Content-Type": "application/json" };
        const body = JSON.stringify(Array(items).fill("x"));
        return (await fetch(url, { method: "POST", headers, body })).status;
      };
      expect([await post(3), await post(3), await post(2), await post(1)]).toEqual([
        200, 429, 200, 429,
      ]);
    },
  );
});

test("a reply that the handler writes itself has the headers", async () => {
  await withApp(
    async (app) => {
      await app.register(rateLimit, { limiter: limiter(), limit: "1/minute" });
      app.get("/", (_, reply) => {
        reply.hijack();
        reply.raw.writeHead(200, { "Content-Type": "text/event-stream" });
        reply.raw.end("data: 1\n\n");
      });
    },
    async (url) => {
      const response = await fetch(url);
      expect(await response.text()).toBe("data: 1\n\n");
      expect(response.headers.get("ratelimit")).toBe('"1/minute";r=0;t=60');
    },
  );
});

test("the function for denials can send the reply", async () => {
  await withApp(
    async (app) => {
      await app.register(rateLimit, {
        limiter: limiter(),
        limit: "0/minute",
        onDenied: (request, reply, { decision }) => {
          if (request.url === "/error") {
            throw new Error("no response");
          }
          return reply.code(403).send({ limit: decision.limit });
        },
      });
    },
    async (url) => {
      const response = await fetch(url);
      expect([response.status, await response.json()]).toEqual([403, { limit: 0 }]);
      expect(response.headers.get("ratelimit")).toBe('"0/minute";r=0;t=60');
      expect((await fetch(`${url}/error`)).status).toBe(429);
    },
  );
});

test("a second plugin adds its limits", async () => {
  await withApp(
    async (app) => {
      const common = { limiter: limiter(), scope: "all" };
      await app.register(rateLimit, { ...common, limit: "5/minute" });
      await app.register(rateLimit, { ...common, limit: "1/minute" });
      app.get("/", async (request) => checksOf(request)?.keys);
    },
    async (url) => {
      const response = await fetch(url);
      expect(await response.json()).toEqual([
        "ratelog:{ip:127.0.0.1}:all",
        "ratelog:{ip:127.0.0.1}:all#",
      ]);
      expect(response.headers.get("ratelimit")).toBe('"5/minute";r=4;t=60, "1/minute";r=0;t=60');
      expect((await fetch(url)).headers.get("ratelimit")).toMatch(/^"5\/minute";r=4;t=60, /);
    },
  );
});

test("HEAD counts as GET, also on a route with several methods", async () => {
  await withApp(
    async (app) => {
      await app.register(rateLimit, { limiter: limiter() });
      const config = { ratelog: { limit: "2/minute" } };
      app.route({
        method: ["GET", "POST"],
        url: "/users/:id",
        config,
        handler: async () => "user",
      });
    },
    async (url) => {
      const send = async (method: string) => (await fetch(`${url}/users/7`, { method })).status;
      expect([await send("GET"), await send("POST")]).toEqual([200, 200]);
      expect([await send("HEAD"), await send("GET")]).toEqual([429, 429]);
    },
  );
});

test("a route with several methods has one scope, and a malformed URL none", async () => {
  await withApp(
    async (app) => {
      await app.register(rateLimit, { limiter: limiter(), limit: "9/minute" });
      app.route({
        method: ["GET", "POST"],
        url: "/users/:id",
        config: { ratelog: { limit: "2/minute" } },
        handler: async (request) => checksOf(request)?.keys,
      });
    },
    async (url) => {
      expect(await (await fetch(`${url}/users/7`)).json()).toEqual([
        "ratelog:{ip:127.0.0.1}:*",
        "ratelog:{ip:127.0.0.1}:GET,POST /users/:id",
      ]);
      const malformed = await fetch(`${url}/users/%zz`);
      expect([malformed.status, malformed.headers.get("ratelimit")]).toEqual([400, null]);
    },
  );
});

test("a request that a handler passes to the function for missing paths is checked once", async () => {
  await withApp(
    async (app) => {
      await app.register(rateLimit, { limiter: limiter(), limit: "5/minute", hook: "preHandler" });
      app.get("/file", (_, reply) => void reply.callNotFound());
    },
    async (url) => {
      const response = await fetch(`${url}/file`);
      expect([response.status, response.headers.get("ratelimit")]).toEqual([
        404,
        '"5/minute";r=4;t=60',
      ]);
    },
  );
});

test("the limits of a route are checked once if two plugins apply to it", async () => {
  await withApp(
    async (app) => {
      const common = { limiter: limiter() };
      await app.register(rateLimit, { ...common, limit: "9/minute" });
      await app.register(
        async (child) => {
          await child.register(rateLimit, { ...common, limit: "5/minute" });
          const config = { ratelog: { limit: "1/minute" } };
          child.get("/users", { config }, async (request) => checksOf(request)?.keys);
        },
        { prefix: "/api" },
      );
    },
    async (url) => {
      const keys = await (await fetch(`${url}/api/users`)).json();
      expect(keys).toEqual(
        ["*", "GET /api/users", "/api/*"].map((scope) => `ratelog:{ip:127.0.0.1}:${scope}`),
      );
    },
  );
});
