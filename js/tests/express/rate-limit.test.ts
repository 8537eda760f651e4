import { once } from "node:events";
import { request as send } from "node:http";
import { connect } from "node:net";
import { describe, expect, test, vi } from "vitest";
import { checksOf, type ExpressOptions, rateLimit } from "../../src/express/index.ts";
import { type Limiter, LocalLimiter, type Rules } from "../../src/index.ts";
import { listener, versions } from "../support/express.ts";
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
    rateLimit({ limiter: new LocalLimiter(), limit: "2/minute", ...options } as ExpressOptions);

  test("a request over the limit gets 429, the headers and problem details", async () => {
    await withApp(
      (app) => {
        app.use(limited({ limit: "2/minute; 100/hour" }));
        app.get("/search", (_, response) => void response.send("found"));
      },
      async (url) => {
        const allowed = await fetch(`${url}/search`);
        expect([allowed.status, await allowed.text()]).toEqual([200, "found"]);
        expect(allowed.headers.get("ratelimit-policy")).toBe(
          '"2/minute";q=2;w=60, "100/hour";q=100;w=3600',
        );
        expect(allowed.headers.get("ratelimit")).toBe('"2/minute";r=1;t=60');
        expect(allowed.headers.get("retry-after")).toBeNull();
        await fetch(`${url}/nowhere`);
        const denied = await fetch(`${url}/search`);
        expect(denied.status).toBe(429);
        expect(denied.headers.get("content-type")).toBe("application/problem+json");
        expect(denied.headers.get("retry-after")).toBe("60");
        expect(denied.headers.get("ratelimit")).toBe('"2/minute";r=0;t=60');
        const problem = (await denied.json()) as { retry_after_ms: number };
        expect(problem).toEqual({
          type: "https://iana.org/assignments/http-problem-types#quota-exceeded",
          title: "Request cannot be satisfied as assigned quota has been exceeded",
          status: 429,
          "violated-policies": ["2/minute"],
          retry_after_ms: problem.retry_after_ms,
        });
        expect(problem.retry_after_ms).toBeGreaterThan(50_000);
        const head = await fetch(`${url}/search`, { method: "HEAD" });
        expect([head.status, await head.text()]).toEqual([429, ""]);
      },
    );
  });

  test("concurrent requests never exceed the limit", async () => {
    await withApp(
      (app) => {
        app.use(limited({ limit: "10/minute" }));
        app.get("/", (_, response) => void response.send("fine"));
      },
      async (url) => {
        const responses = await Promise.all(Array.from({ length: 50 }, () => fetch(url)));
        expect(responses.filter(({ status }) => status === 200)).toHaveLength(10);
      },
    );
  });

  test("each route counts by its pattern, and HEAD counts as GET", async () => {
    const limiter = new LocalLimiter();
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

  test("all limits of a request count it or none does, in one middleware and in several", async () => {
    const limiter = new LocalLimiter();
    await withApp(
      (app) => {
        app.use(limited({ limiter, limit: "5/minute", names: ["all"] }));
        const limits = [
          { limit: "3/minute", names: ["route"] },
          { limit: "9/minute", key: () => "everybody" },
          { limit: "2/hour" },
        ];
        app.get("/search", rateLimit({ limiter, limits }), (_, response) => {
          response.send("found");
        });
        app.get("/", (_, response) => void response.send("fine"));
      },
      async (url) => {
        expect(await statuses(url, "/search", "/search")).toEqual([200, 200]);
        const denied = await fetch(`${url}/search`);
        expect(denied.status).toBe(429);
        expect(denied.headers.get("ratelimit-policy")).toBe(
          '"all";q=5;w=60, "route";q=3;w=60, "9/minute";q=9;w=60, "2/hour";q=2;w=3600',
        );
        expect(denied.headers.get("ratelimit")).toMatch(
          /^"all";r=3;t=\d+, "route";r=1;t=\d+, "9\/minute";r=7;t=\d+, "2\/hour";r=0;t=\d+$/,
        );
        expect(await denied.json()).toHaveProperty("violated-policies", ["2/hour"]);
        // The denied request is not counted.
        expect(await statuses(url, "/", "/", "/", "/")).toEqual([200, 200, 200, 429]);
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

  test("a handler takes its request back", async () => {
    await withApp(
      (app) => {
        app.get("/report", limited({ cost: 2, limit: "2/hour" }), async (request, response) => {
          const checks = checksOf(request);
          const units = [await checks?.refund(), await checks?.refund()];
          response.json({ units, remaining: checks?.decisions[0]?.remaining });
        });
        app.get("/free", (request, response) => void response.json(checksOf(request) ?? "none"));
      },
      async (url) => {
        for (let n = 0; n < 3; n++) {
          const response = await fetch(`${url}/report`);
          expect(await response.json()).toEqual({ units: [2, 0], remaining: 2 });
          expect(response.headers.get("ratelimit")).toBe('"2/hour";r=2;t=3600');
        }
        expect(await (await fetch(`${url}/free`)).json()).toBe("none");
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
        expect(denied.headers.get("ratelimit")).toBe('"0/hour";r=0;t=1');
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

  test("preflight requests, exempt paths and skipped requests are not counted", async () => {
    await withApp(
      (app) => {
        const skip: ExpressOptions["skip"] = async (request) => request.get("x-internal") === "yes";
        app.use(limited({ limit: "1/minute", skip, exempt: ["/internal/*", "/files/:id"] }));
        app.use((_, response) => void response.send("fine"));
      },
      async (url) => {
        const free = ["/health", "/ping?x", "/internal/jobs", "/files/7"];
        expect(await statuses(url, ...free, ...free)).toEqual(Array(8).fill(200));
        const preflight = { Origin: "https://a.example", "Access-Control-Request-Method": "GET" };
        for (const headers of [preflight, preflight]) {
          expect((await fetch(url, { method: "OPTIONS", headers })).status).toBe(200);
        }
        expect((await fetch(url, { headers: { "X-Internal": "yes" } })).status).toBe(200);
        expect(await statuses(url, "/files/7/x", "/internal", "/healthz/x")).toEqual([
          200, 429, 429,
        ]);
        expect((await fetch(url, { method: "OPTIONS" })).status).toBe(429);
      },
    );
  });

  test("the client is the peer, or the address that a trusted proxy reports", async () => {
    const keys: string[] = [];
    const remember: ExpressOptions["countIf"] = () => true;
    await withApp(
      (app) => {
        const note = (request: Parameters<typeof checksOf>[0]) => {
          keys.push(...(checksOf(request)?.keys ?? []));
        };
        app.get(
          "/direct",
          limited({ limit: "1/minute", countIf: remember }),
          (request, response) => {
            note(request);
            response.send("");
          },
        );
        const proxied = limited({ limit: "1/minute", trustedProxies: ["127.0.0.0/8"] });
        app.get("/proxied", proxied, (request, response) => {
          note(request);
          response.send("");
        });
      },
      async (url) => {
        const from = async (path: string, value: string) =>
          (await fetch(url + path, { headers: { "X-Forwarded-For": value } })).status;
        expect([await from("/direct", "1.1.1.1"), await from("/direct", "2.2.2.2")]).toEqual([
          200, 429,
        ]);
        expect([
          await from("/proxied", "9.9.9.9, 1.1.1.1"),
          await from("/proxied", "8.8.8.8, 1.1.1.1"),
          await from("/proxied", "2.2.2.2"),
          await from("/proxied", "2001:db8::1"),
        ]).toEqual([200, 429, 200, 200]);
        expect(keys).toEqual([
          "ratelog:{ip:127.0.0.1}:GET /direct",
          "ratelog:{ip:1.1.1.1}:GET /proxied",
          "ratelog:{ip:2.2.2.2}:GET /proxied",
          "ratelog:{ip:2001:db8::/64}:GET /proxied",
        ]);
      },
    );
  });

  test("the input of a client never fails a request", async () => {
    const warn = vi.fn();
    await withApp(
      (app) => {
        const cost: ExpressOptions["cost"] = (request) => Number(request.query.n);
        const key: ExpressOptions["key"] = (request) => request.get("x-user");
        app.use(limited({ limit: "10/minute", cost, key, warn }));
        app.use((_, response) => void response.send("fine"));
      },
      async (url) => {
        const remaining = async (n: string) => {
          const { status, headers } = await fetch(`${url}/?n=${n}`);
          return [status, headers.get("ratelimit")?.split(";")[1], headers.get("retry-after")];
        };
        expect(await remaining("0")).toEqual([200, "r=10", null]);
        expect(await remaining("4")).toEqual([200, "r=6", null]);
        expect(await remaining("-4")).toEqual([200, "r=5", null]);
        expect(await remaining("many")).toEqual([200, "r=4", null]);
        expect(await remaining("1e99")).toEqual([429, "r=4", null]);
        expect(await remaining("99999999")).toEqual([429, "r=4", null]);
        expect(warn).toHaveBeenCalledTimes(1);
        for (const user of ["{}", "a b", "\u00ff\u00fe", "x".repeat(8000), "*", "%"]) {
          const response = await fetch(url, { headers: { "X-User": user } });
          expect([response.status, response.headers.get("ratelimit")?.split(";")[1]]).toEqual([
            200,
            "r=9",
          ]);
        }
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

  test("an unexpected error of the limiter is logged, and the request is served or denied", async () => {
    const warn = vi.fn();
    const broken: Limiter = {
      check: () => Promise.reject(new Error("broken")),
      checkAll: () => Promise.reject(new Error("broken")),
      refund: () => Promise.reject(new Error("broken")),
    };
    await withApp(
      (app) => {
        app.get("/open", limited({ limiter: broken, warn }), (_, response) => {
          response.send("fine");
        });
        app.get("/closed", limited({ limiter: broken, warn, onError: "deny" }));
      },
      async (url) => {
        const open = await fetch(`${url}/open`);
        expect([open.status, await open.text(), open.headers.get("ratelimit")]).toEqual([
          200,
          "fine",
          null,
        ]);
        const closed = await fetch(`${url}/closed`);
        expect([closed.status, closed.headers.get("content-type")]).toEqual([
          503,
          "application/problem+json",
        ]);
        expect(await closed.json()).toEqual({
          type: "about:blank",
          title: "Service Unavailable",
          status: 503,
          detail: "The request could not be checked against its limits",
        });
        expect(warn.mock.calls).toEqual([
          ["ratelog: requests could not be checked, and are served", new Error("broken")],
          ["ratelog: requests could not be checked, and are denied", new Error("broken")],
        ]);
      },
    );
  });

  test("a response that is sent during the check stays", async () => {
    let respond = () => {};
    const slow: Limiter = new Proxy(new LocalLimiter(), {
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
