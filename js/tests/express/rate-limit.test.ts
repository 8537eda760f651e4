import { once } from "node:events";
import { request as send } from "node:http";
import { connect } from "node:net";
import { Readable } from "node:stream";
import type { ErrorRequestHandler } from "express";
import { describe, expect, test } from "vitest";
import { checksOf, type ExpressOptions, rateLimit } from "../../src/express/index.ts";
import type { Limiter, Rules } from "../../src/index.ts";
import { listener, versions } from "../support/express.ts";
import { frozenLimiter } from "../support/frozen-limiter.ts";
import { serve } from "../support/http-server.ts";

type App = ReturnType<(typeof versions)[number][1]>;

describe.each(versions)("%s", (_, create) => {
  /** Serves an application, and stops the server also if the test fails. */
  async function withApp(
    configure: (app: App) => void,
    run: (url: string) => Promise<void>,
  ): Promise<void> {
    const app = create();
    app.set("env", "test");
    configure(app);
    const server = await serve(listener(app));
    try {
      await run(server.url.slice(0, -1));
    } finally {
      await server[Symbol.asyncDispose]();
    }
  }

  /** The statuses of requests in order. */
  async function statuses(url: string, ...paths: string[]): Promise<number[]> {
    const found: number[] = [];
    for (const path of paths) {
      const response = await fetch(url + path);
      await response.arrayBuffer();
      found.push(response.status);
    }
    return found;
  }

  const limited = (options: Partial<ExpressOptions> = {}) =>
    rateLimit({ limiter: frozenLimiter(), limit: "2/minute", ...options } as ExpressOptions);

  test("each route counts by its pattern, and HEAD counts as GET", async () => {
    const limiter = frozenLimiter();
    const keys = new Set<string>();
    await withApp(
      (app) => {
        const limit = limited({ limiter });
        app.get(["/users/:id", "/people/:id"], limit, (request, response) => {
          for (const key of checksOf(request)?.keys ?? []) {
            keys.add(key);
          }
          response.send("user");
        });
        app.post("/users/:id", limit, (_, response) => void response.send("made"));
        app.route("/all").all(limit, (request, response) => {
          keys.add(checksOf(request)?.keys[0] ?? "");
          response.send("all");
        });
        app.all("/any", limit, (request, response) => {
          keys.add(checksOf(request)?.keys[0] ?? "");
          response.send("any");
        });
      },
      async (url) => {
        expect(await statuses(url, "/users/7", "/people/%37?x=1", "/Users/%38/")).toEqual([
          200, 200, 429,
        ]);
        expect((await fetch(`${url}/users/7`, { method: "HEAD" })).status).toBe(429);
        expect((await fetch(`${url}/users/7`, { method: "POST" })).status).toBe(200);
        const methods = ["GET", "PUT", "DELETE"].map((method) => fetch(`${url}/any`, { method }));
        const denied = (await Promise.all(methods)).filter(({ status }) => status === 429);
        expect(denied).toHaveLength(1);
        await fetch(`${url}/all`);
        expect([...keys]).toEqual([
          "ratelog:{ip:127.0.0.1}:GET /users/:id,/people/:id",
          "ratelog:{ip:127.0.0.1}:* /any",
          "ratelog:{ip:127.0.0.1}:* /all",
        ]);
      },
    );
  });

  test("a router counts by its path, however it is written", async () => {
    const keys = new Set<string>();
    await withApp(
      (app) => {
        const router = create();
        router.use(limited({ limit: "2/minute" }));
        router.get("/status", (request, response) => {
          for (const key of checksOf(request)?.keys ?? []) {
            keys.add(key);
          }
          response.send("fine");
        });
        app.use("/admin", router);
        app.get("/", (_, response) => void response.send("free"));
      },
      async (url) => {
        expect(await statuses(url, "/admin/status", "/ADMIN/status", "/Admin/x", "/")).toEqual([
          200, 200, 429, 200,
        ]);
        expect([...keys]).toEqual(["ratelog:{ip:127.0.0.1}:/admin/*"]);
      },
    );
  });

  test("a wildcard counts all of its paths together", async () => {
    const isNew = create === versions[0]?.[1];
    const mounts = isNew
      ? ["/api/*rest", "/api{/*rest}", "/{*rest}"]
      : ["/api/*", /^\/api\/(.*)/i, "*"];
    for (const [index, mount] of mounts.entries()) {
      const keys = new Set<string>();
      await withApp(
        (app) => {
          app.use(mount, limited({ limit: "5/minute" }), (request, response) => {
            for (const key of checksOf(request)?.keys ?? []) {
              keys.add(key);
            }
            response.send("fine");
          });
        },
        async (url) => {
          const paths = ["/api/users/7", "/API/a%2Fb/", "/api/%C3%A4?x=1", "/api/api", "/api/x"];
          expect(await statuses(url, ...paths, "/api/y")).toEqual([200, 200, 200, 200, 200, 429]);
          expect(await statuses(url, "/api/%")).toEqual([400]);
        },
      );
      expect([...keys]).toEqual([`ratelog:{ip:127.0.0.1}:${index < 2 ? "/api/*" : "*"}`]);
    }
  });

  test("the path of a regular expression may be malformed", async () => {
    await withApp(
      (app) => {
        app.use(/^\/[^/]+\/(\w+)/, limited(), (request, response) => {
          response.json(checksOf(request)?.keys);
        });
      },
      async (url) => {
        expect(await (await fetch(`${url}/%/a`)).json()).toEqual(["ratelog:{ip:127.0.0.1}:/%/a/*"]);
      },
    );
  });

  test("a route that passes a request on does not count it", async () => {
    const keysOf = async (url: string) => await (await fetch(url)).json();
    await withApp(
      (app) => {
        app.get("/search", (_request, _response, next) => next());
        app.use(limited({ limit: "9/minute" }));
        const route = limited({ limit: "9/minute" });
        app.get(
          "/search",
          (request, response, next) => route(request, response, next),
          (request, response) => void response.json(checksOf(request)?.keys),
        );
        app.get("/other", (request, response) => void response.json(checksOf(request)?.keys));
      },
      async (url) => {
        expect(await keysOf(`${url}/other`)).toEqual(["ratelog:{ip:127.0.0.1}:*"]);
        expect(await keysOf(`${url}/search`)).toEqual([
          "ratelog:{ip:127.0.0.1}:*",
          "ratelog:{ip:127.0.0.1}:GET /search",
        ]);
      },
    );
  });

  test("streams and errors have the headers", async () => {
    await withApp(
      (app) => {
        app.use(limited({ limit: "9/minute" }));
        app.get("/stream", async (_, response) => {
          response.write("one,");
          await new Promise((resolve) => setImmediate(resolve));
          response.end("two");
        });
        app.get("/explicit", (_, response) => {
          response.writeHead(201, { "X-Own": "yes" });
          response.end("made");
        });
        app.get("/error", () => {
          throw new Error("broken");
        });
      },
      async (url) => {
        for (const [path, status, text] of [
          ["/stream", 200, /^one,two$/],
          ["/explicit", 201, /^made$/],
          ["/error", 500, /./],
          ["/missing", 404, /./],
        ] as const) {
          const response = await fetch(url + path);
          expect(response.status).toBe(status);
          expect(await response.text()).toMatch(text);
          expect(response.headers.get("ratelimit"), path).toMatch(/^"9\/minute";r=\d;t=60$/);
        }
      },
    );
  });

  test.each([
    ["a proxy", (request: object) => new Proxy(request, {})],
    ["a copy", (request: object) => Object.assign(Object.create(request), request)],
  ])("another request for the same response: %s", async (_, wrap) => {
    const statusesOfCount: number[] = [];
    await withApp(
      (app) => {
        app.use((_, response, next) => {
          const { writeHead } = response;
          response.writeHead = function (this: typeof response, ...args: [number]) {
            this.setHeader("X-Session", "set");
            return writeHead.apply(this, args);
          } as typeof writeHead;
          next();
        });
        app.use(limited({ countIf: ({ status }) => statusesOfCount.push(status) > 0 }));
        const inner = create();
        inner.use(limited({ limit: "9/minute", scope: "inner" }));
        inner.get("/", (_, response) => void response.send("inner"));
        app.use((request, response, next) =>
          inner(wrap(request) as typeof request, response, next),
        );
      },
      async (url) => {
        const response = await fetch(url);
        expect([response.status, await response.text()]).toEqual([200, "inner"]);
        expect(response.headers.get("x-session")).toBe("set");
        expect(response.headers.get("ratelimit")).toContain('"2/minute";r=1;t=60');
        expect(statusesOfCount).toEqual([200]);
      },
    );
  });

  test.each([
    ["Readable.call", (request: object) => void Readable.call(request as Readable)],
    [
      "the state of another stream",
      (request: object) => void Object.assign(request, Readable.from(["body"])),
    ],
    ["other raw headers", (request: object) => void Object.assign(request, { rawHeaders: [] })],
    ["no raw headers", (request: object) => void Object.assign(request, { rawHeaders: null })],
  ])("a request that is changed keeps its checks: %s", async (_, change) => {
    const limiter = frozenLimiter();
    await withApp(
      (app) => {
        app.use(limited({ limiter }));
        app.use((request, _response, next) => {
          change(request);
          next();
        });
        app.use(limited({ limiter }));
        app.get("/", async (request, response) => {
          response.json([checksOf(request)?.keys.length, await checksOf(request)?.refund()]);
        });
      },
      async (url) => {
        const response = await fetch(url);
        expect(await response.json()).toEqual([2, 2]);
        expect(response.headers.get("ratelimit")).toBe(
          '"2/minute";r=2;t=60, "2:2/minute";r=2;t=60',
        );
      },
    );
  });

  test("the headers of two requests are added once to a response that fails as it is written", async () => {
    await withApp(
      (app) => {
        app.use(limited());
        const inner = limited({ limit: "9/minute" });
        app.use((request, response, next) => inner(Object.create(request), response, next));
        app.get("/", (_, response) => {
          response.statusMessage = "one\nline";
          response.send("fine");
        });
        app.use(((_error, _request, response, _next) => {
          response.statusMessage = "fine";
          response.status(500).send("failed");
        }) as ErrorRequestHandler);
      },
      async (url) => {
        const response = await fetch(url);
        expect([response.status, await response.text()]).toEqual([500, "failed"]);
        expect(response.headers.get("ratelimit")?.split(", ").toSorted()).toEqual([
          '"2/minute";r=1;t=60',
          '"9/minute";r=8;t=60',
        ]);
      },
    );
  });

  test("a mounted application that passes a request on limits it", async () => {
    await withApp(
      (app) => {
        const mounted = create();
        mounted.use(limited());
        app.use("/api", mounted);
        app.get("/api/x", (_, response) => void response.send("parent"));
      },
      async (url) => {
        const response = await fetch(`${url}/api/x`);
        expect([await response.text(), response.headers.get("ratelimit")]).toEqual([
          "parent",
          '"2/minute";r=1;t=60',
        ]);
        expect(await statuses(url, "/api/x", "/api/x", "/other")).toEqual([200, 429, 404]);
      },
    );
  });

  test("a response decides whether its request counts", async () => {
    await withApp(
      (app) => {
        app.use(
          limited({ countIf: ({ status, header }) => status === 401 || !!header("x-count") }),
        );
        app.get("/login", (request, response) => {
          if (request.query.with === "header") {
            response.setHeader("X-Count", "yes");
          }
          response.status(request.query.password === "wrong" ? 401 : 200).send("");
        });
      },
      async (url) => {
        const right = "/login?password=right";
        expect(await statuses(url, right, right, right)).toEqual([200, 200, 200]);
        expect((await fetch(url + right)).headers.get("ratelimit")).toBe('"2/minute";r=2;t=60');
        const wrong = "/login?password=wrong";
        expect(await statuses(url, wrong, right, "/login?with=header", right)).toEqual([
          401, 200, 200, 429,
        ]);
      },
    );
  });

  test("the program responds to denied requests", async () => {
    await withApp(
      (app) => {
        app.set("trust proxy", false);
        const onDenied: ExpressOptions["onDenied"] = async (request, response, denial) => {
          if (request.query.fail) {
            throw new Error("no response");
          }
          response.setHeader("Retry-After", "7");
          const { limit } = denial.decision;
          response.send(`at most ${limit}, ${denial.decisions.length} ${denial.problem.status}`);
        };
        app.use(limited({ limit: "0/hour", onDenied }));
      },
      async (url) => {
        const denied = await fetch(url);
        expect([denied.status, await denied.text()]).toEqual([429, "at most 0, 1 429"]);
        expect(denied.headers.get("retry-after")).toBe("7");
        expect(denied.headers.get("ratelimit")).toBe('"0/hour";r=0;t=3600');
        expect((await fetch(`${url}/?fail=1`)).status).toBe(429);
      },
    );
  });

  test("other families of headers, and browsers' scripts of other origins", async () => {
    await withApp(
      (app) => {
        app.get("/x", limited({ headers: "x-ratelimit" }), (_, response) => void response.send(""));
        app.get("/none", limited({ headers: "none" }), (_, response) => void response.send(""));
        app.get("/hidden", limited({ exposeHeaders: false }), (_, response) => {
          response.send("");
        });
        app.get("/own", limited(), (_, response) => {
          response.setHeader("Access-Control-Expose-Headers", ["ETag", "ratelimit"]);
          response.send("");
        });
        app.get("/all", limited(), (_, response) => {
          response.setHeader("Access-Control-Expose-Headers", "*");
          response.send("");
        });
      },
      async (url) => {
        const headersOf = async (path: string) =>
          (await fetch(url + path, { headers: { Origin: "https://www.example.com" } })).headers;
        const x = await headersOf("/x");
        expect(["limit", "remaining", "reset"].map((name) => x.get(`x-ratelimit-${name}`))).toEqual(
          ["2", "1", "60"],
        );
        const exposed = async (path: string) =>
          (await headersOf(path)).get("access-control-expose-headers");
        expect(await exposed("/x")).toBe(
          "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset",
        );
        expect(await exposed("/none")).toBeNull();
        expect((await headersOf("/none")).get("ratelimit")).toBeNull();
        expect(await exposed("/hidden")).toBeNull();
        expect(await exposed("/own")).toBe("ETag, ratelimit, RateLimit-Policy");
        expect(await exposed("/all")).toBe("*");
        const same = (await fetch(`${url}/own`)).headers;
        expect(same.get("access-control-expose-headers")).toBe("ETag, ratelimit");
      },
    );
  });

  test("odd request targets get a response", async () => {
    await withApp(
      (app) => {
        app.use(limited({ limit: "1000/minute" }));
        app.get("/users/:id", limited({ limit: "1000/minute" }), (_, response) => {
          response.send("user");
        });
        app.use((_, response) => void response.send("fine"));
      },
      async (url) => {
        const { port } = new URL(url);
        const odd = [
          "/%",
          "/%zz",
          "//",
          "/users/%E0%A4%A",
          "*",
          "http://other/x",
          "/a#/health",
          "/a\\b",
          `/${"a".repeat(9000)}`,
        ];
        for (const target of odd) {
          const socket = connect(Number(port), "127.0.0.1");
          socket.write(`GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`, "latin1");
          let text = "";
          socket.setEncoding("latin1").on("data", (chunk: string) => {
            text += chunk;
          });
          await once(socket, "close");
          expect(text, target).toMatch(/^HTTP\/1\.1 (200|400)/);
          expect(text, target).toMatch(/\r\nratelimit: /i);
        }
      },
    );
  });

  test("a response that is sent during the check stays", async () => {
    let respond = () => {};
    const slow: Limiter = new Proxy(frozenLimiter(), {
      get: (limiter, name) =>
        name === "check"
          ? async (key: string, rules: Rules) => {
              respond();
              return limiter.check(key, rules);
            }
          : Reflect.get(limiter, name).bind(limiter),
    });
    await withApp(
      (app) => {
        app.use((_, response, next) => {
          respond = () => response.status(408).send("too slow");
          next();
        });
        app.use(limited({ limiter: slow, limit: "1/minute" }));
        app.use((_, response) => {
          if (!response.headersSent) {
            response.send("fine");
          }
        });
      },
      async (url) => {
        expect(await statuses(url, "/", "/", "/")).toEqual([408, 408, 408]);
      },
    );
  });

  test("a request counts if its client goes away", async () => {
    const limiter = frozenLimiter();
    let arrived = () => {};
    const arrival = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    let closed: Promise<unknown> = Promise.resolve();
    await withApp(
      (app) => {
        const countIf = ({ status }: { status: number }) => status === 500;
        app.get("/", limited({ limiter, limit: "1/minute", countIf }), (_, response) => {
          closed = once(response, "close");
          arrived();
        });
      },
      async (url) => {
        const controller = new AbortController();
        const gone = fetch(url, { signal: controller.signal }).catch(() => "gone");
        await arrival;
        controller.abort();
        expect(await gone).toBe("gone");
        await closed;
        expect(await statuses(url, "/")).toEqual([429]);
      },
    );
  });

  test("the body is whole after the check", async () => {
    await withApp(
      (app) => {
        app.post("/", limited(), async (request, response) => {
          let length = 0;
          for await (const chunk of request) {
            length += chunk.length;
          }
          response.send(`${length}`);
        });
      },
      async (url) => {
        const request = send(url, { method: "POST" });
        request.end("x".repeat(1_000_000));
        const [response] = await once(request, "response");
        let text = "";
        for await (const chunk of response) {
          text += chunk;
        }
        expect(text).toBe("1000000");
      },
    );
  });
});
