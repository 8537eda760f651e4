import type { Context, Env, MiddlewareHandler } from "hono";
import { denialResponse, fetchHead, finishFetch, withFields } from "../http/fetch.ts";
import { HttpLimiter } from "../http/http-limiter.ts";
import { type NodeSocket, peerOf, UNKNOWN_PEER } from "../http/node.ts";
import type { Awaitable, Denial, HttpOptions } from "../http/options.ts";
import { RequestState } from "../http/request-checks.ts";

/** Options of {@link rateLimit}. */
// biome-ignore lint/suspicious/noExplicitAny: functions can use variables of an application without naming its type.
export interface HonoOptions<E extends Env = any> extends HttpOptions<Context<E>> {
  /**
   * Returns the address of the peer, such as `(c) => getConnInfo(c).remote.address` with the `getConnInfo` of your
   * platform; `undefined` for a Unix socket. Default: that of `@hono/node-server`.
   */
  readonly address?: (c: Context<E>) => string | undefined;
  /**
   * Responds to a denied request, in place of 429 and problem details. A status 200 becomes 429, and the rate limit
   * headers are added.
   */
  readonly onDenied?: (c: Context<E>, denial: Denial) => Awaitable<Response>;
}

/**
 * Creates a middleware for Hono 4 that limits requests: for an application, a path or a route.
 *
 * ```ts
 * app.use(rateLimit({ limiter, limit: "100/minute; 1000/day" }));
 * app.post("/login", rateLimit({ limiter, limit: "5/minute" }), login);
 * ```
 *
 * Either all limits of a request count it or none does, also those of several middleware. A request that cannot be
 * checked because of an unexpected error is served, unless `onError` is `deny`.
 *
 * `rateLimit<Env>` gives the functions of the options the types of an application.
 *
 * @throws {TypeError} The limiter or the limits are not given, or `names` are given to a function.
 * @throws {RangeError} An option is out of range.
 * @throws {ParseRulesError} A limit is a text that is not rules.
 */
// biome-ignore lint/suspicious/noExplicitAny: as above.
export function rateLimit<E extends Env = any>(options: HonoOptions<E>): MiddlewareHandler<E> {
  const limiter = new HttpLimiter(options);
  const { address, onDenied } = options;

  return async (c, next) => {
    const scoped = [{ limits: limiter.limits, scope: scopeOf(c) }];
    const head = fetchHead(c.req.raw, c.req.path, addressOf(c, address));
    const state = RequestState.of(c);
    const outcome = await limiter.check(state, c, head, scoped);
    // The first middleware sets the headers of all.
    const isFirst = state.begin("finish");
    if (outcome === "serve") {
      await next();
    } else {
      const respond = onDenied && ((denial: Denial) => onDenied(c, denial));
      try {
        // Hono adds the headers that were set before.
        c.res = await denialResponse(outcome, respond, (body, init) => c.newResponse(body, init));
      } catch (error) {
        presetHeaders(c);
        throw error;
      }
    }
    if (isFirst) {
      await finishResponse(c);
    }
  };
}

/** Sets the headers at the end, also on the response to an error. */
async function finishResponse(c: Context): Promise<void> {
  const response = await finishFetch(RequestState.of(c), c.req.raw, c.res);
  if (response !== c.res) {
    // Otherwise Hono sets the headers of the old one on the new one.
    c.res = undefined;
    c.res = response;
  }
}

/** Sets the headers for the response to the error of a function for denials. */
function presetHeaders(c: Context): void {
  const head = { status: 429, header: () => undefined };
  const isCrossOrigin = c.req.raw.headers.has("origin");
  const { fields } = RequestState.of(c).finish(head, isCrossOrigin);
  // Hono adds the headers of the present response to the next, also to one that the application makes without `c`.
  const response = withFields(c.res, fields);
  if (response !== c.res) {
    c.res = response;
  }
}

/** The scope of a middleware: `GET /users/:id` on a route, `/admin/*` on a path, and `*` on the application. */
function scopeOf(c: Context): string {
  // The function matchedRoutes of hono/route fails if the application uses another copy of Hono, such as that for require.
  const routes = c.req.matchedRoutes;
  // No route is matched by the function for paths that are not found.
  const { method, path } = routes[c.req.routeIndex] ?? { method: "ALL", path: "*" };
  if (method !== "ALL") {
    return `${method} ${path}`;
  }
  if (path === "*" || path === "/*") {
    return "*";
  }
  return path.endsWith("*") ? path : `* ${path}`;
}

/** The address of the peer; `undefined` for a Unix socket. */
function addressOf<E extends Env>(
  c: Context<E>,
  address: HonoOptions<E>["address"],
): string | undefined {
  // As `@hono/node-server` has it.
  const { server, incoming } = (c.env ?? {}) as NodeBindings;
  const known = peerOf((server?.incoming ?? incoming)?.socket);
  if (!address) {
    return known;
  }
  try {
    return address(c) || (known && UNKNOWN_PEER);
  } catch {
    return UNKNOWN_PEER;
  }
}

interface NodeBindings {
  readonly incoming?: { readonly socket?: NodeSocket };
  readonly server?: NodeBindings;
}
