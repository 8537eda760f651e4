import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from "fastify";
import { validateOneOf } from "../arguments.ts";
import { HttpLimiter, type Outcome, type ScopedLimits } from "../http/http-limiter.ts";
import { joined, NodeHead } from "../http/node.ts";
import { finishNode } from "../http/node-response.ts";
import type { Awaitable, Denial, HttpOptions, LimitOptions } from "../http/options.ts";
import { RequestState } from "../http/request-checks.ts";
import type { RequestLimit } from "../http/request-limit.ts";
import { ownResponse, PROBLEM_JSON } from "../http/responses.ts";

/** The limits of a route, in addition to those of the plugin. `false` exempts the route from all limits. */
export type RouteLimits =
  | LimitOptions<FastifyRequest>
  | readonly LimitOptions<FastifyRequest>[]
  | false;

/** Options of {@link rateLimit}. Without a limit, only the routes with limits of their own are limited. */
export interface FastifyOptions extends HttpOptions<FastifyRequest> {
  /**
   * When requests are checked: `onRequest`, before the body is read, or `preHandler`, so that the functions of the options
   * can use the body. Default: `onRequest`.
   */
  readonly hook?: "onRequest" | "preHandler";
  /**
   * Returns the payload of the response to a denied request, in place of problem details, or sends it. The status is 429
   * unless the function sets another, and the rate limit headers are added.
   */
  readonly onDenied?: (
    request: FastifyRequest,
    reply: FastifyReply,
    denial: Denial,
  ) => Awaitable<unknown>;
}

declare module "fastify" {
  interface FastifyContextConfig {
    /** The limits of the route by Ratelog's plugin, which are named by the method and the URL of the route. */
    ratelog?: RouteLimits;
  }
}

/**
 * A plugin for Fastify 5 that limits the requests of the instance that registers it, and of its children.
 *
 * ```ts
 * await app.register(rateLimit, { limiter, limit: "100/minute; 1000/day" });
 * app.post("/login", { config: { ratelog: { limit: "5/minute" } } }, login);
 * ```
 *
 * Either all limits of a request count it or none does. A request that cannot be checked because of an unexpected error
 * is served, unless `onError` is `deny`. Registering it fails with a `TypeError`, `RangeError` or `ParseRulesError` if the
 * options are invalid.
 */
export const rateLimit: FastifyPluginAsync<FastifyOptions> = async (instance, options) => {
  const limiter = new HttpLimiter(options, false);
  const scope = instance.prefix ? `${instance.prefix}/*` : "*";
  const compiled = new WeakMap<object, readonly RequestLimit<FastifyRequest>[]>();
  /** The methods of routes with GET, by the URL. Fastify adds a route of its own for HEAD. */
  const methods = new Map<string, string | string[]>();

  const limitsOf = (limits: Exclude<RouteLimits, false>) => {
    let found = compiled.get(limits);
    if (!found) {
      found = limiter.compile("length" in limits ? limits : [limits]);
      compiled.set(limits, found);
    }
    return found;
  };

  instance.addHook("onRoute", ({ config, method, url }) => {
    if (config?.ratelog) {
      limitsOf(config.ratelog);
      if (method.includes("GET")) {
        methods.set(url, method);
      }
    }
  });

  const check = async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const { ratelog } = request.routeOptions.config;
    const state = RequestState.of(request);
    // A request that a handler passes to the one for missing paths comes again.
    if (ratelog === false || !state.begin(limiter)) {
      return undefined;
    }
    const scoped: ScopedLimits<FastifyRequest>[] = [{ limits: limiter.limits, scope }];
    // A second plugin does not check the limits of the route again.
    if (ratelog && state.begin("check route")) {
      scoped.push({ limits: limitsOf(ratelog), scope: routeScope(request, methods) });
    }
    const head = new NodeHead(request.raw, request.url);
    const outcome = await limiter.check(state, request, head, scoped);
    finishNode(state, request.raw, reply.raw);
    return outcome === "serve" || reply.sent ? undefined : deny(options, request, reply, outcome);
  };
  const hook = validateOneOf("hook", options.hook ?? "onRequest", ["onRequest", "preHandler"]);
  // The overloads take one name each.
  instance.addHook(hook as "onRequest", check);

  instance.addHook("onSend", (request, reply, _, done) => {
    const state = RequestState.of(request);
    if (state.isEmpty || !state.begin("finish")) {
      done();
      return;
    }
    const head = {
      status: reply.statusCode,
      header: (name: string) => joined(reply.getHeader(name)),
    };
    const isCrossOrigin = request.headers.origin !== undefined;
    const { fields, refunded } = state.finish(head, isCrossOrigin);
    for (const [name, value] of fields) {
      reply.header(name, value);
    }
    if (refunded) {
      refunded.then(() => done());
    } else {
      // Most requests need no wait, which costs more than the rest.
      done();
    }
  });
};

// The hooks are for the instance that registers the plugin: as `fastify-plugin` does.
Object.assign(rateLimit, {
  [Symbol.for("skip-override")]: true,
  [Symbol.for("fastify.display-name")]: "ratelog",
  [Symbol.for("plugin-meta")]: { name: "ratelog", fastify: "5.x" },
});

async function deny(
  { onDenied }: FastifyOptions,
  request: FastifyRequest,
  reply: FastifyReply,
  outcome: Exclude<Outcome, "serve">,
): Promise<FastifyReply> {
  const { status, body } = ownResponse(outcome);
  reply.code(status);
  if (!onDenied || outcome === "unavailable") {
    return reply.type(PROBLEM_JSON).send(body);
  }
  const payload = await onDenied(request, reply, outcome);
  return reply.sent ? reply : reply.send(payload);
}

/** The methods and the URL of a route: `GET /users/:id`. The one for HEAD counts with that for GET. */
function routeScope(
  { routeOptions: { method, url = "" } }: FastifyRequest,
  known: ReadonlyMap<string, string | string[]>,
): string {
  const own = (method === "HEAD" && known.get(url)) || method;
  const methods = [own].flat().map((name) => (name === "HEAD" ? "GET" : name));
  return `${[...new Set(methods)].join(",")} ${url}`;
}
