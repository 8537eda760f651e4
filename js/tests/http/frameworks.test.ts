import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, test, vi } from "vitest";
import type { Limiter } from "../../src/index.ts";
import type { AnyOptions } from "../support/frameworks/framework.ts";
import { frameworks } from "../support/frameworks/index.ts";
import { frozenLimiter } from "../support/frozen-limiter.ts";

function limited(options: Partial<AnyOptions> = {}): AnyOptions {
  const limit = options.limits || options.plans ? {} : { limit: "2/minute" };
  return { limiter: frozenLimiter(), ...limit, ...options };
}

/** Sends requests in order, and returns their statuses. */
async function statuses(url: string, ...paths: string[]): Promise<number[]> {
  const found: number[] = [];
  for (const path of paths) {
    const response = await fetch(url + path);
    await response.arrayBuffer();
    found.push(response.status);
  }
  return found;
}

/** The units that remain for the last request. */
function remaining({ headers }: Response): string | undefined {
  return headers.get("ratelimit")?.split(";")[1];
}

describe.each(frameworks)("$name", ({ name, run }) => {
  test("a request over the limit gets 429, the headers and problem details", async () => {
    await run({ all: limited({ limit: "2/minute; 100/hour" }) }, async (url) => {
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
      expect(denied.headers.get("content-type")).toMatch(/^application\/problem\+json/);
      expect(denied.headers.get("retry-after")).toBe("60");
      expect(denied.headers.get("ratelimit")).toBe('"2/minute";r=0;t=60');
      expect(await denied.json()).toEqual({
        type: "https://iana.org/assignments/http-problem-types#quota-exceeded",
        title: "Request cannot be satisfied as assigned quota has been exceeded",
        status: 429,
        "violated-policies": ["2/minute"],
        retry_after_ms: 60_000,
      });
    });
  });

  test("concurrent requests never exceed the limit", async () => {
    await run({ all: limited({ limit: "10/minute" }) }, async (url) => {
      const responses = await Promise.all(Array.from({ length: 40 }, () => fetch(`${url}/search`)));
      expect(responses.filter(({ status }) => status === 200)).toHaveLength(10);
    });
  });

  test("a route counts by its pattern", async () => {
    const countIf = vi.fn(() => true);
    const limiter = frozenLimiter();
    await run({ user: limited({ limiter, countIf }) }, async (url) => {
      expect(await statuses(url, "/users/7", "/users/%37?x=1", "/users/8")).toEqual([
        200, 200, 429,
      ]);
      expect((await fetch(`${url}/users/9`, { method: "HEAD" })).status).toBe(429);
      expect(await statuses(url, "/search")).toEqual([200]);
      const key = "ratelog:{ip:127.0.0.1}:GET /users/:id";
      expect(limiter.peek(key, "2/minute").remaining).toBe(0);
    });
  });

  test("all limits of a request count it or none does", async () => {
    const limiter = frozenLimiter();
    const all = limited({ limiter, limit: "5/minute", names: ["all"] });
    const limits = [
      { limit: "3/minute", names: ["route"] },
      { limit: "9/minute", key: () => "everybody" },
      { limit: "2/hour" },
      { limit: "1/hour", cost: 0, key: () => null },
    ];
    await run({ all, user: limited({ limiter, limits }) }, async (url) => {
      expect(await statuses(url, "/users/1", "/users/2")).toEqual([200, 200]);
      const denied = await fetch(`${url}/users/3`);
      expect(denied.status).toBe(429);
      expect(denied.headers.get("ratelimit-policy")).toBe(
        '"all";q=5;w=60, "route";q=3;w=60, "9/minute";q=9;w=60, "2/hour";q=2;w=3600',
      );
      expect(denied.headers.get("ratelimit")).toBe(
        '"all";r=3;t=60, "route";r=1;t=60, "9/minute";r=7;t=60, "2/hour";r=0;t=3600',
      );
      expect(await denied.json()).toHaveProperty("violated-policies", ["2/hour"]);
      // The denied request is not counted.
      const paths = Array<string>(4).fill("/search");
      expect(await statuses(url, ...paths)).toEqual([200, 200, 200, 429]);
    });
  });

  test("streams and errors have the headers", async () => {
    await run({ all: limited({ limit: "9/minute" }) }, async (url) => {
      for (const [path, status, text] of [
        ["/stream", 200, /^one,two$/],
        ["/error", 500, /./],
        ["/missing", 404, /./],
      ] as const) {
        const response = await fetch(url + path);
        expect([response.status, await response.text()]).toEqual([
          status,
          expect.stringMatching(text),
        ]);
        expect(response.headers.get("ratelimit"), path).toMatch(/^"9\/minute";r=\d;t=60$/);
      }
    });
  });

  test("a response decides whether its request counts", async () => {
    const countIf: AnyOptions["countIf"] = ({ status, header }) =>
      status === 401 || header("access-control-expose-headers") !== undefined;
    await run({ all: limited({ countIf }) }, async (url) => {
      const [right, wrong] = ["/login?status=200", "/login?status=401"];
      expect(await statuses(url, right, right, right)).toEqual([200, 200, 200]);
      const response = await fetch(url + right);
      expect(response.headers.get("ratelimit")).toBe('"2/minute";r=2;t=60');
      expect(await statuses(url, wrong, right, "/own", right)).toEqual([401, 200, 200, 429]);
    });
  });

  test("a handler takes its request back", async () => {
    const free = limited({ limit: "2/hour", cost: 2, scope: "reports" });
    await run({ all: free }, async (url) => {
      for (let n = 0; n < 3; n++) {
        const response = await fetch(`${url}/refund`);
        expect(await response.json()).toEqual([2, 0, ["ratelog:{ip:127.0.0.1}:reports"]]);
        expect(remaining(response)).toBe("r=2");
      }
      expect(await (await fetch(`${url}/search`)).text()).toBe("found");
    });
    await run({}, async (url) => {
      expect(await (await fetch(`${url}/refund`)).json()).toEqual([null, null, null]);
    });
  });

  test("the program responds to denied requests", async () => {
    const denied = { text: "no more", retryAfter: "7" };
    await run({ all: limited({ limit: "1/hour", denied }) }, async (url) => {
      await fetch(`${url}/search`);
      const response = await fetch(`${url}/search`);
      expect([response.status, await response.text()]).toEqual([429, "no more"]);
      expect(response.headers.get("retry-after")).toBe("7");
      expect(remaining(response)).toBe("r=0");
    });
  });

  test("browsers' scripts of other origins can read the headers", async () => {
    await run({ all: limited({ headers: "both" }) }, async (url) => {
      const headers = { Origin: "https://www.example.com" };
      const exposed = (await fetch(`${url}/own`, { headers })).headers;
      expect(exposed.get("access-control-expose-headers")).toBe(
        "ETag, RateLimit-Policy, RateLimit, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset",
      );
      expect(exposed.get("x-ratelimit-remaining")).toBe("1");
      const same = (await fetch(`${url}/own`)).headers;
      expect(same.get("access-control-expose-headers")).toBe("ETag");
    });
  });

  test("preflight requests, exempt paths and skipped requests are not counted", async () => {
    const skip: AnyOptions["skip"] = async (request) => request.header("x-internal") === "yes";
    const all = limited({ limit: "1/minute", skip, exempt: ["/users/:id"] });
    await run({ all }, async (url) => {
      expect(await statuses(url, "/health", "/health", "/users/7", "/users/8")).toEqual(
        Array(4).fill(200),
      );
      const preflight = { Origin: "https://a.example", "Access-Control-Request-Method": "GET" };
      for (const headers of [preflight, preflight]) {
        const { status } = await fetch(`${url}/search`, { method: "OPTIONS", headers });
        expect(status).not.toBe(429);
      }
      const internal = { headers: { "X-Internal": "yes" } };
      expect((await fetch(`${url}/search`, internal)).status).toBe(200);
      expect(await statuses(url, "/search", "/search")).toEqual([200, 429]);
      expect((await fetch(`${url}/search`, { method: "OPTIONS" })).status).toBe(429);
    });
  });

  test("the client is the peer, or the address that a trusted proxy reports", async () => {
    const from = async (url: string, value: string) =>
      (await fetch(`${url}/search`, { headers: { "X-Forwarded-For": value } })).status;
    await run({ all: limited({ limit: "1/minute" }) }, async (url) => {
      expect([await from(url, "1.1.1.1"), await from(url, "2.2.2.2")]).toEqual([200, 429]);
    });
    const proxied = limited({ limit: "1/minute", trustedProxies: ["127.0.0.0/8"] });
    await run({ all: proxied }, async (url) => {
      expect([
        await from(url, "9.9.9.9, 1.1.1.1"),
        await from(url, "8.8.8.8, 1.1.1.1"),
        await from(url, "2.2.2.2"),
        await from(url, "2001:db8::1"),
        await from(url, "2001:db8::2"),
      ]).toEqual([200, 429, 200, 200, 429]);
    });
  });

  test("the input of a client never fails a request", async () => {
    const warn = vi.fn();
    const cost: AnyOptions["cost"] = (request) => Number(request.query("n"));
    const key: AnyOptions["key"] = (request) => request.header("x-user");
    await run({ all: limited({ limit: "10/minute", cost, key, warn }) }, async (url) => {
      const found: unknown[] = [];
      for (const n of ["0", "4", "-4", "many", "1e99", "99999999"]) {
        const response = await fetch(`${url}/search?n=${n}`);
        found.push([response.status, remaining(response), response.headers.get("retry-after")]);
      }
      expect(found).toEqual([
        [200, "r=10", null],
        [200, "r=6", null],
        [200, "r=5", null],
        [200, "r=4", null],
        [429, "r=4", null],
        [429, "r=4", null],
      ]);
      expect(warn).toHaveBeenCalledTimes(1);
      for (const user of ["{}", "a b", "\u00ff\u00fe", "x".repeat(8000), "*", "%"]) {
        const response = await fetch(`${url}/search`, { headers: { "X-User": user } });
        expect([response.status, remaining(response)]).toEqual([200, "r=9"]);
      }
    });
  });

  test("odd request targets get a response", async () => {
    const limits = { all: limited({ limit: "99/minute" }), user: limited({ limit: "99/minute" }) };
    await run(limits, async (url) => {
      const targets = [
        "/%",
        "/%zz",
        "//",
        "/users/%E0%A4%A",
        "*",
        "/a#/health",
        "/a\\b",
        "/..",
        `/${"a".repeat(9000)}`,
      ];
      for (const target of targets) {
        const socket = connect(Number(new URL(url).port), "127.0.0.1");
        socket.write(`GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
        let text = "";
        socket.setEncoding("latin1").on("data", (chunk: string) => {
          text += chunk;
        });
        await once(socket, "close");
        expect(text, target).toMatch(/^HTTP\/1\.1 [24]\d\d/);
      }
    });
  });

  test("an unexpected error of the limiter is logged, and the request is served or denied", async () => {
    const warn = vi.fn();
    const fail = () => Promise.reject(new Error("broken"));
    const limiter: Limiter = { check: fail, checkAll: fail, refund: fail };
    await run({ all: limited({ limiter, warn }) }, async (url) => {
      const response = await fetch(`${url}/search`);
      expect([response.status, await response.text(), remaining(response)]).toEqual([
        200,
        "found",
        undefined,
      ]);
    });
    await run({ all: limited({ limiter, warn, onError: "deny" }) }, async (url) => {
      const response = await fetch(`${url}/search`);
      expect(await response.json()).toEqual({
        type: "about:blank",
        title: "Service Unavailable",
        status: 503,
        detail: "The request could not be checked against its limits",
      });
      expect(response.status).toBe(503);
    });
    expect(warn.mock.calls).toEqual([
      ["ratelog: requests could not be checked, and are served", new Error("broken")],
      ["ratelog: requests could not be checked, and are denied", new Error("broken")],
    ]);
  });

  test("wrong options are errors when the application starts", async () => {
    const start = async (options: object) =>
      await run({ all: { limiter: frozenLimiter(), ...options } as AnyOptions }, async () => {});
    await expect(start({ limit: "2/month" })).rejects.toThrow("a month has no fixed length");
    await expect(start({ limit: "2/minute", names: [] })).rejects.toThrow("0 names are given");
    if (name !== "Fastify 5") {
      await expect(start({})).rejects.toThrow(
        new TypeError("expected either limit, or plans with a function plan"),
      );
    }
  });
});
