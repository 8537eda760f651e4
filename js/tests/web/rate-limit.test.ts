import { describe, expect, test, vi } from "vitest";
import { HttpLimiter } from "../../src/http/http-limiter.ts";
import { RequestState } from "../../src/http/request-checks.ts";
import { type Decision, Rules } from "../../src/index.ts";
import { checksOf, hashed, rateLimit, type WebOptions } from "../../src/web/index.ts";
import { frozenLimiter } from "../support/frozen-limiter.ts";
import { fromRow } from "../support/rows.ts";

const CONTEXT = { address: "192.0.2.7" };

/** Checks requests with a limiter of its own. */
function limited(options: Partial<WebOptions>) {
  const limiter = frozenLimiter({ policies: { gold: "3/minute" } });
  const warn = vi.fn();
  const given = { limiter, warn, ...options };
  const limit = rateLimit(
    "limits" in options || "plans" in options ? given : { limit: "2/minute", ...given },
  );
  const check = async (init?: RequestInit & { path?: string; route?: string }) => {
    const request = new Request(`http://example.com${init?.path ?? "/"}`, init);
    const { denied, finish } = await limit(request, { ...CONTEXT, route: init?.route });
    const response = denied ?? (await finish(new Response("fine")));
    return { request, response, keys: checksOf(request)?.keys, warn };
  };
  return { check, limiter, warn };
}

describe("a request of an unusual kind", () => {
  const REQUEST = new Request("http://example.com/");

  /** Checks requests one after the other with one limiter. Returns what their responses report. */
  async function checkAll(...requests: Request[]) {
    const limit = rateLimit({ limiter: frozenLimiter(), limit: "2/minute" });
    const results = [];
    for (const request of requests) {
      const { denied, finish } = await limit(request, CONTEXT);
      const { headers, status } = denied ?? (await finish(new Response("fine")));
      results.push([status, headers.get("ratelimit"), checksOf(request)?.keys.join()]);
    }
    return results;
  }

  const rest = (r: number, status = 200) => [
    status,
    `"2/minute";r=${r};t=60`,
    "ratelog:{ip:192.0.2.7}:*",
  ];

  test("that takes no properties is limited like others", async () => {
    const frozen = () => Object.freeze(new Request(REQUEST));
    const proxy = (handler: ProxyHandler<Request>) => () => {
      const request = new Request(REQUEST);
      return new Proxy(request, {
        get: (target, name) => {
          const value = Reflect.get(target, name);
          return typeof value === "function" ? value.bind(target) : value;
        },
        ...handler,
      });
    };
    const readOnly = proxy({ set: () => false });
    const silent = proxy({ set: () => true });
    const strict = proxy({
      get: (target, name) => {
        if (!(name in target)) {
          throw new Error("no such property");
        }
        return Reflect.get(target, name);
      },
    });
    for (const make of [frozen, readOnly, silent, strict]) {
      expect(await checkAll(make(), make(), make())).toEqual([rest(1), rest(0), rest(0, 429)]);
      expect(checksOf(make())).toBeUndefined();
    }
  });

  test("that is frozen after its check keeps it", async () => {
    const limit = rateLimit({ limiter: frozenLimiter(), limit: "2/minute" });
    const request = new Request(REQUEST);
    const { finish } = await limit(request, CONTEXT);
    Object.freeze(request);
    const { headers } = await finish(new Response("fine"));
    expect(headers.get("ratelimit")).toBe('"2/minute";r=1;t=60');
    expect(checksOf(request)?.keys).toHaveLength(1);
  });

  test("that is a copy of a checked one is another request", async () => {
    const copies: ((request: object) => object)[] = [
      (request) => ({ ...request }),
      (request) => Object.assign({}, request),
      (request) => Object.create(request),
    ];
    for (const copy of copies) {
      // As frameworks for Node have them.
      const limiter = new HttpLimiter<object>({ limiter: frozenLimiter(), limit: "2/minute" });
      const check = async (request: object) => {
        const head = { method: "GET", path: "/", peer: "192.0.2.7", header: () => undefined };
        const scoped = [{ limits: limiter.limits, scope: "*" }];
        const outcome = await limiter.check(RequestState.of(request), request, head, scoped);
        return [outcome === "serve", checksOf(request)?.keys];
      };
      const first = {};
      const results = [await check(first), await check(copy(first)), await check(copy(first))];
      const keys = ["ratelog:{ip:192.0.2.7}:*"];
      expect(results).toEqual([
        [true, keys],
        [true, keys],
        [false, keys],
      ]);
    }
  });
});

describe("limits", () => {
  test("a plan has its own limits, and an unknown plan gets the first", async () => {
    const { check, warn } = limited({
      plans: { free: "1/minute", pro: "5/minute" },
      plan: async (request) => request.headers.get("x-plan") ?? undefined,
    });
    const policyOf = async (plan?: string) =>
      (await check(plan ? { headers: { "X-Plan": plan } } : {})).response.headers.get(
        "ratelimit-policy",
      );
    expect(await policyOf("pro")).toBe('"5/minute";q=5;w=60');
    expect(await policyOf("free")).toBe('"1/minute";q=1;w=60');
    expect(warn).not.toHaveBeenCalled();
    expect(await policyOf("toString")).toBe('"1/minute";q=1;w=60');
    expect(await policyOf()).toBe('"1/minute";q=1;w=60');
    expect(warn.mock.calls).toEqual([
      ["ratelog: a request has a plan that is not listed, so the plan free is used", undefined],
    ]);
  });

  test("a plan function that fails does not exempt a request", async () => {
    const plan = () => Promise.reject(new Error("no user"));
    const { check, warn } = limited({ plans: { free: "1/minute", pro: "5/minute" }, plan });
    expect((await check()).response.headers.get("ratelimit")).toBe('"1/minute";r=0;t=60');
    expect((await check()).response.status).toBe(429);
    expect(warn.mock.calls).toEqual([
      ["ratelog: a plan function failed, so the first plan is used", new Error("no user")],
    ]);
  });

  test("a policy is named by its name", async () => {
    const { check } = limited({ limit: { policy: "gold" } });
    const { headers } = (await check()).response;
    expect(headers.get("ratelimit")).toBe('"gold:3/minute";r=2;t=60');
    const free = limited({ limit: { policy: "gold" }, cost: () => 1e300 });
    expect((await free.check()).response.status).toBe(429);
  });

  test("a cost that a server rejects does not exempt a request", async () => {
    const limiter = {
      ...frozenLimiter(),
      check: (_: string, __: unknown, { cost = 1 }: { cost?: number } = {}) => {
        throw new Error(`cost '${cost}' is not an integer from 1 to 1000000`);
      },
    } as unknown as WebOptions["limiter"];
    const statusOf = async (limit: WebOptions["limit"] & object, cost: number) =>
      (await limited({ limiter, limit, cost: () => cost }).check()).response.status;
    expect([
      await statusOf({ policy: "gold" }, 1_000_001),
      await statusOf({ policy: "gold" }, Infinity),
      await statusOf(Rules.parse("1000000/day"), 2_000_000),
      // Other errors are not caused by the client.
      await statusOf({ policy: "gold" }, 1_000_000),
      await statusOf(Rules.parse("5/day"), 2_000_000),
    ]).toEqual([503, 503, 503, 200, 200]);
  });

  test("an infinite cost is over each limit", async () => {
    const { check, warn } = limited({ cost: () => Number("1e999") });
    const { response } = await check();
    expect([response.status, response.headers.get("retry-after")]).toEqual([429, null]);
    expect(warn).not.toHaveBeenCalled();
  });

  test("a function returns rules, a policy or nothing", async () => {
    const limits = ["2/minute", Rules.parse("3/hour"), { policy: "gold" }, null, "2/minute"];
    let index = 0;
    const { check } = limited({ limit: async () => limits[index++] ?? null });
    const found: unknown[] = [];
    for (const _ of limits) {
      found.push((await check()).response.headers.get("ratelimit")?.split(";")[0]);
    }
    expect(found).toEqual(['"2/minute"', '"3/hour"', '"gold:3/minute"', undefined, '"2/minute"']);
  });

  test("a function that fails is an unexpected error", async () => {
    for (const limit of [
      () => undefined as never,
      () => "many",
      () => {
        throw new Error("broken");
      },
    ]) {
      expect((await limited({ limit }).check()).response.status).toBe(200);
      const { check, warn } = limited({ limit, onError: "deny" });
      expect((await check()).response.status).toBe(503);
      expect(warn).toHaveBeenCalledOnce();
    }
  });

  test("a cost over the limit is that of an override with a higher one", async () => {
    const limiter = frozenLimiter();
    const check = vi.spyOn(limiter, "check");
    for (const [pages, cost] of [
      [2, 2],
      [500, 500],
      [1e9, 1_000_000],
    ]) {
      const options = { limiter, limit: "100/minute", cost: () => pages as number };
      await limited(options).check();
      expect(check.mock.lastCall?.[2]).toEqual({ cost });
    }
  });

  test("a request that is refused because of an error counts for no limit", async () => {
    const limiter = frozenLimiter();
    const request = new Request("http://example.com/");
    const first = rateLimit({ limiter, limit: "9/minute", scope: "first" });
    const broken = () => {
      throw new Error("broken");
    };
    const second = rateLimit({ limiter, limit: broken, onError: "deny", warn: () => {} });
    expect((await first(request, CONTEXT)).denied).toBeUndefined();
    expect((await second(request, CONTEXT)).denied?.status).toBe(503);
    const key = checksOf(request)?.keys[0] as string;
    expect(limiter.peek(key, "9/minute").remaining).toBe(9);
  });

  test("more texts than are remembered are parsed correctly", async () => {
    let n = 0;
    const { check } = limited({ limit: () => `${++n}/hour` });
    for (let index = 1; index <= 1100; index++) {
      const { headers } = (await check()).response;
      expect(headers.get("ratelimit-policy")).toBe(`"${index}/hour";q=${index};w=3600`);
    }
  });

  test.each<[object, string]>([
    [{}, "expected either limit, or plans with a function plan"],
    [{ limit: "1/s", plans: {}, plan: () => "a" }, "expected either limit, or plans"],
    [{ plans: { free: "1/s" } }, "expected either limit, or plans"],
    [{ limit: "1/s", plan: () => "a" }, "expected either limit, or plans"],
    [{ plans: {}, plan: () => "a" }, "expected at least one plan"],
    [{ limit: "1/s", limits: [] }, "expected either limits, or one limit"],
    [{ limits: [{}] }, "expected either limit, or plans"],
    [{ limit: () => "1/s", names: ["a"] }, "names are for a limit that is rules"],
    [{ limit: { policy: "a" }, names: ["a"] }, "names are for a limit that is rules"],
    [{ limit: 5 }, "a limit must be a text, Rules or { policy }"],
    [{ limit: "1/s", cost: -1 }, "cost must be an integer from 0 to 4294967295, not -1"],
    [{ limit: "1/s", cost: 0.5 }, "cost must be an integer from 0 to 4294967295, not 0.5"],
    [{ limit: "1/s", trustedProxies: 1 }, "trustedProxies must be a list, not 1"],
    [{ limit: "1/s", exempt: "/metrics" }, "exempt must be a list, not /metrics"],
    [{ limits: { limit: "1/s" } }, "limits must be a list, not [object Object]"],
    [{ limit: "1/s", headers: "draft-7" }, "headers must be one of draft-11, x-ratelimit"],
    [{ limit: "1/s", exempt: ["x"] }, "expected a path that begins with '/', not 'x'"],
    [{ limit: "1/s", trustedProxies: ["x"] }, "is neither a network"],
    [{ limit: "1/s", limiter: undefined }, "expected a limiter, such as a LocalLimiter"],
    [{ limit: "1/s", onError: "block" }, "onError must be one of allow, deny, not 'block'"],
    [{ limits: [] }, "expected at least one limit"],
    [{ limit: "1/s", cost: "abc" }, "cost must be an integer from 0 to 4294967295, not abc"],
    [
      { limits: [{ limit: "1/s" }], key: () => "a", scope: "b" },
      "expected key, scope in each of the limits",
    ],
    [{ limit: "1/s", key: "ip" }, "key must be a function"],
  ])("wrong options are errors: %j", (options, message) => {
    const given = { limiter: frozenLimiter(), ...options } as WebOptions;
    expect(() => rateLimit(given)).toThrow(message);
  });
});

describe("keys", () => {
  test.each([
    ["user:42", "user:42"],
    [42, "42"],
    [42n, "42"],
    ["", "ip:192.0.2.7"],
    [undefined, "ip:192.0.2.7"],
    ["a b{c}\n", "a%20b%7Bc%7D%0A"],
    ["ä\ud800", "%C3%A4%EF%BF%BD"],
    ["x".repeat(128), "x".repeat(128)],
  ])("the subject %s is written as %s", async (subject, written) => {
    const { check } = limited({ key: async () => subject, prefix: "shop" });
    expect((await check()).keys).toEqual([`shop:{${written}}:*`]);
  });

  test("long subjects are hashed, and different ones differ", async () => {
    const keysOf = async (subject: string) =>
      (await limited({ key: () => subject }).check()).keys?.[0];
    const [one, other] = [await keysOf("x".repeat(129)), await keysOf(" ".repeat(50))];
    expect(one).toMatch(/^ratelog:\{hash:[\da-f]{32}\}:\*$/);
    expect(other).toMatch(/^ratelog:\{hash:[\da-f]{32}\}:\*$/);
    expect(one).not.toBe(other);
    expect(await hashed("s3cr3t")).toBe("4e738ca5563c06cfd0018299933d58db");
  });

  test("a long scope is hashed", async () => {
    const keysOf = async (route: string, key = "a") =>
      (await limited({ key: () => key }).check({ route })).keys?.[0];
    expect(await keysOf(`/${"x".repeat(251)}`)).toBe(`ratelog:{a}:GET /${"x".repeat(251)}`);
    expect(await keysOf(`/${"x".repeat(252)}`)).toMatch(/^ratelog:\{a\}:hash:[\da-f]{32}$/);
    expect(await keysOf(`/${"x".repeat(252)}`, "y".repeat(200))).toMatch(
      /^ratelog:\{hash:[\da-f]{32}\}:hash:[\da-f]{32}$/,
    );
  });

  test("null exempts a request", async () => {
    const { check, limiter } = limited({ key: () => null });
    const { response, keys } = await check();
    expect([response.headers.get("ratelimit"), keys, limiter.size]).toEqual([null, undefined, 0]);
  });

  test("a function that fails does not exempt a request", async () => {
    for (const key of [
      () => ({ id: 1 }) as never,
      () => true as never,
      () => Promise.reject(new Error("no user")),
    ]) {
      const { check, warn } = limited({ key });
      expect((await check()).keys).toEqual(["ratelog:{ip:192.0.2.7}:*"]);
      await check();
      expect((await check()).response.status).toBe(429);
      expect(warn).toHaveBeenCalledOnce();
    }
  });

  test("a prefix may be empty, and a scope shares units between routes", async () => {
    const { check } = limited({ prefix: "", scope: "api" });
    expect((await check({ route: "/a" })).keys).toEqual(["{ip:192.0.2.7}:api"]);
    await check({ route: "/b" });
    expect((await check({ route: "/c" })).response.status).toBe(429);
  });

  test("limits of one subject and scope have keys of their own", async () => {
    const key = () => "a";
    const { check } = limited({
      limits: [
        { limit: "9/second" },
        { limit: "9/minute" },
        { limit: "9/hour", key },
        { limit: "9/day", key: () => "a" },
        { limit: "9/day", scope: "*#" },
        { limit: "9/second", scope: "api" },
        { limit: "9/minute", scope: "api" },
        { limit: "9/minute", scope: "api", key },
      ],
    });
    expect((await check()).keys).toEqual([
      "ratelog:{ip:192.0.2.7}:*",
      "ratelog:{ip:192.0.2.7}:*#",
      "ratelog:{a}:*##",
      "ratelog:{a}:*###",
      "ratelog:{ip:192.0.2.7}:*##",
      "ratelog:{ip:192.0.2.7}:api",
      "ratelog:{ip:192.0.2.7}:api#",
      "ratelog:{a}:api",
    ]);
  });

  test("a limit has the same key for all subjects of the other limits", async () => {
    const key = (request: Request) => request.headers.get("x-user") ?? undefined;
    const headers = { "X-User": "user:7" };
    const together = limited({ limits: [{ limit: "9/minute", key }, { limit: "2/hour" }] });
    await together.check({ headers });
    await together.check({ headers });
    expect((await together.check()).response.status).toBe(429);

    const common = { limiter: frozenLimiter(), limit: "9/minute" };
    const limits = [
      rateLimit({ ...common, key, exempt: ["/free"] }),
      rateLimit({ ...common, limit: "2/hour" }),
    ];
    const statuses: unknown[] = [];
    for (const [path, init] of [["/", { headers }], ["/free"], ["/"]] as const) {
      const request = new Request(`http://example.com${path}`, init);
      for (const limit of limits) {
        const { denied } = await limit(request, CONTEXT);
        statuses.push(denied?.status);
      }
    }
    expect(statuses).toEqual([undefined, undefined, undefined, undefined, undefined, 429]);
  });

  test("a route is its method and pattern, and HEAD counts as GET", async () => {
    const { check } = limited({});
    expect((await check({ method: "HEAD", route: "/users/[id]" })).keys).toEqual([
      "ratelog:{ip:192.0.2.7}:GET /users/[id]",
    ]);
  });
});

describe("requests", () => {
  test("a URL that is invalid, because the header Host is, fails no request", async () => {
    const limit = rateLimit({ limiter: frozenLimiter(), limit: "1/minute", exempt: ["/*"] });
    const statuses: unknown[] = [];
    for (const url of ["http://a b/health", "/health"]) {
      const request = Object.defineProperty(new Request("http://a/"), "url", { value: url });
      statuses.push((await limit(request, CONTEXT)).denied?.status);
    }
    expect(statuses).toEqual([undefined, 429]);
  });

  test("methods that a client makes up count together", async () => {
    const { check } = limited({});
    const route = "/search";
    expect((await check({ method: "AAA", route })).keys).toEqual([
      "ratelog:{ip:192.0.2.7}:* /search",
    ]);
    expect((await check({ method: "patch", route })).response.status).toBe(200);
    expect((await check({ method: "CCC", route })).response.status).toBe(429);
    expect((await check({ method: "PATCH", route })).response.status).toBe(200);
  });
});

describe("functions that fail", () => {
  test("neither skip, countIf nor the log fails a request", async () => {
    const fail = () => {
      throw new Error("broken");
    };
    const { check } = limited({ skip: fail, countIf: fail, warn: fail });
    expect((await check()).response.headers.get("ratelimit")).toBe('"2/minute";r=1;t=60');
  });

  test("a countIf that returns a promise counts every request, and is logged once", async () => {
    for (const countIf of [async () => false, () => Promise.reject(new Error("broken"))]) {
      const { check, warn } = limited({ countIf: countIf as unknown as () => boolean });
      await check();
      expect((await check()).response.headers.get("ratelimit")).toBe('"2/minute";r=0;t=60');
      expect(warn.mock.calls).toEqual([
        ["ratelog: the function countIf returned a promise, so the request counts", undefined],
      ]);
    }
  });

  test("the console gets the warnings by default", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const limit = rateLimit({ limiter: frozenLimiter(), limit: "1/minute" });
    await limit(new Request("http://example.com/"));
    const fail = () => Promise.reject(new Error("broken"));
    await rateLimit({ limiter: frozenLimiter(), limit: "1/minute", cost: fail })(
      new Request("http://example.com/"),
      CONTEXT,
    );
    expect(warn.mock.calls).toEqual([
      ["ratelog: the address of a client is not known, so all such clients share a limit"],
      ["ratelog: a cost function failed; such requests cost 1", new Error("broken")],
    ]);
    warn.mockRestore();
  });

  test("a log is not flooded, and does not grow", async () => {
    const warn = vi.fn();
    const plans = { a: "1/minute" };
    const limit = rateLimit({ limiter: frozenLimiter(), plans, plan: () => "b", warn });
    for (let n = 0; n < 10; n++) {
      await limit(new Request("http://example.com/"), CONTEXT);
    }
    expect(warn).toHaveBeenCalledOnce();
  });
});

describe("responses", () => {
  test("a copy is returned if the headers of a response cannot be set", async () => {
    const limit = rateLimit({ limiter: frozenLimiter(), limit: "9/minute" });
    const request = new Request("http://example.com/");
    const { finish } = await limit(request, CONTEXT);
    const own = new Response("fine");
    expect(await finish(own)).toBe(own);
    const redirect = await finish(Response.redirect("http://example.com/x"));
    expect([redirect.status, redirect.headers.get("ratelimit")]).toEqual([
      302,
      '"9/minute";r=8;t=60',
    ]);
    const fetched = await finish(await fetch("data:text/plain,fine"));
    expect([await fetched.text(), fetched.headers.has("ratelimit")]).toEqual(["fine", true]);
    const error = Response.error();
    expect(await finish(error)).toBe(error);
  });

  test("an exempt request keeps its response", async () => {
    const limit = rateLimit({ limiter: frozenLimiter(), limit: "1/minute", skip: () => true });
    const { denied, finish } = await limit(new Request("http://example.com/"));
    const response = new Response("fine");
    expect([denied, await finish(response)]).toEqual([undefined, response]);
    expect(response.headers.has("ratelimit")).toBe(false);
  });
});

test("a limit keeps its name in responses where others were not decided", async () => {
  const limits = [
    { limit: "9/minute", cost: 2, key: ({ url }: Request) => url },
    { limit: "9/minute", key: () => "all" },
  ];
  const { check } = limited({ limits });
  const policy = '"9/minute";q=9;w=60, "2:9/minute";q=9;w=60';
  for (let n = 1; n <= 9; n++) {
    const { response } = await check({ path: `/${n}` });
    expect(response.headers.get("ratelimit-policy")).toBe(policy);
  }
  const { response, keys } = await check({ path: "/10" });
  expect(response.headers.get("ratelimit-policy")).toBe(policy);
  expect(response.headers.get("ratelimit")).toBe('"2:9/minute";r=0;t=60');
  expect(await response.json()).toMatchObject({ "violated-policies": ["2:9/minute"] });
  // Those that were not decided do not count the request.
  expect(keys).toEqual(["ratelog:{all}:*#"]);
});

describe("a response that is returned again", () => {
  const upstream = { RateLimit: '"other";r=0;t=1', "X-RateLimit-Remaining": "7" };

  /** The remaining of the headers of requests, each from an address with an option for its limiter. */
  async function finishAll(response: Response, requests: [string, Partial<WebOptions>?][]) {
    const limiter = frozenLimiter();
    const found = [];
    for (const [address, options] of requests) {
      const limit = rateLimit({ limiter, limit: "9/minute", headers: "both", ...options });
      const { finish } = await limit(new Request("http://example.com/"), { address });
      const finished = await finish(response);
      expect(finished).toBe(response);
      const { headers } = finished;
      found.push([headers.get("ratelimit"), headers.get("x-ratelimit-remaining")]);
    }
    return found;
  }

  const joined = (remaining: number) => `"other";r=0;t=1, "9/minute";r=${remaining};t=60`;

  test.each([
    ["plain", (response: Response) => response],
    ["frozen", (response: Response) => Object.freeze(response)],
  ])("has the headers of its request only: %s", async (_, prepare) => {
    const response = prepare(new Response(null, { status: 204, headers: upstream }));
    const [first, second, third] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];
    expect(
      await finishAll(response, [
        [first],
        [first],
        [first],
        [second],
        [second, { headers: "none" }],
        [third],
      ]),
    ).toEqual([
      [joined(8), "7"],
      [joined(7), "7"],
      [joined(6), "6"],
      [joined(8), "7"],
      // Nothing is set, so the headers stay.
      [joined(8), "7"],
      [joined(8), "7"],
    ]);
  });

  test("may have been read", async () => {
    const response = Object.freeze(new Response("read"));
    await response.text();
    expect(await finishAll(response, [["192.0.2.1"]])).toEqual([['"9/minute";r=8;t=60', "8"]]);
  });
});

test.each([
  ["nothing", undefined, 503],
  ["null", null, 503],
  ["a denial with a number", { ...fromRow([0, 2, 0, 900, 1000, 1000]), allowed: 0 }, 429],
])("a limiter of the program that returns %s serves no request", async (_, decision, status) => {
  const local = frozenLimiter();
  const limiter = {
    check: () => decision as unknown as Decision,
    checkAll: () => [decision as unknown as Decision],
    refund: local.refund.bind(local),
  };
  const one = { limiter, onError: "deny" } as const;
  for (const options of [one, { ...one, limits: [{ limit: "2/minute" }, { limit: "3/hour" }] }]) {
    const { check } = limited(options);
    // Of two limits, one has no decision.
    expect((await check()).response.status).toBe("limits" in options ? 503 : status);
  }
});

test("scripts of other origins read the headers of a set that stays", async () => {
  const limit = rateLimit({ limiter: frozenLimiter(), limit: "9/minute", headers: "x-ratelimit" });
  const request = new Request("http://example.com/", { headers: { Origin: "http://a.example" } });
  const { finish } = await limit(request, CONTEXT);
  const { headers } = await finish(new Response("", { headers: { "X-RateLimit-Remaining": "3" } }));
  expect(headers.get("x-ratelimit-remaining")).toBe("3");
  expect(headers.get("access-control-expose-headers")).toBe(
    "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset",
  );
});
