import { denialResponse, fetchHead, finishFetch } from "../http/fetch.ts";
import { HttpLimiter } from "../http/http-limiter.ts";
import type { Awaitable, Denial, HttpOptions } from "../http/options.ts";
import { RequestState } from "../http/request-checks.ts";

/** Options of {@link rateLimit}. */
export interface WebOptions extends HttpOptions<Request> {
  /**
   * Responds to a denied request, in place of 429 and problem details. A status 200 becomes 429, and the rate limit
   * headers are added.
   */
  readonly onDenied?: (request: Request, denial: Denial) => Awaitable<Response>;
}

/** The parts of a request that a `Request` does not have. */
export interface RequestContext {
  /** The address of the peer, from the server or the platform. Without one, the peer is taken to be on a Unix socket. */
  readonly address?: string | undefined;
  /** The pattern of the route, such as `/users/[id]`. Default: all routes count together. */
  readonly route?: string | null | undefined;
}

/** A request that was checked. */
export interface CheckedRequest {
  /** The response to a request that is denied; `undefined` if it is allowed. */
  readonly denied: Response | undefined;
  /**
   * Adds the rate limit headers to the response of an allowed request, and takes its units back if the response does not
   * count. Returns the same response, or a copy if its headers cannot be set.
   */
  finish(response: Response): Promise<Response>;
}

/**
 * Creates a function that limits requests for any framework with the standard `Request`, such as Next.js and SvelteKit.
 *
 * ```ts
 * const limit = rateLimit({ limiter, limit: "100/minute" });
 * const { denied, finish } = await limit(request, { address });
 * return denied ?? finish(await respond(request));
 * ```
 *
 * Either all limits of a request count it or none does. A request that cannot be checked because of an unexpected error
 * is served, unless `onError` is `deny`.
 *
 * @throws {TypeError} The limiter or the limits are not given, or `names` are given to a function.
 * @throws {RangeError} An option is out of range.
 * @throws {ParseRulesError} A limit is a text that is not rules.
 */
export function rateLimit(
  options: WebOptions,
): (request: Request, context?: RequestContext) => Promise<CheckedRequest> {
  const limiter = new HttpLimiter(options);
  const { onDenied } = options;

  return async (request, { address, route } = {}) => {
    const scope = route ? `${scopeMethod(request)} ${route}` : "*";
    const scoped = [{ limits: limiter.limits, scope }];
    const head = fetchHead(request, pathOf(request), address);
    const state = RequestState.of(request);
    const outcome = await limiter.check(state, request, head, scoped);
    const finish = (response: Response) => finishFetch(state, request, response);
    if (outcome === "serve") {
      return { denied: undefined, finish };
    }
    const respond = onDenied && ((denial: Denial) => onDenied(request, denial));
    return { denied: await finish(await denialResponse(outcome, respond)), finish };
  };
}

/** The path of a request. Deno and Bun take any `Host`, so the URL may be invalid: no such path is exempt. */
function pathOf({ url }: Request): string {
  try {
    return new URL(url).pathname;
  } catch {
    return "";
  }
}

/** The methods that count by themselves. */
const METHODS: readonly string[] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"];

/** The method in the scope of a route. Others count together: some servers accept those that a client makes up. */
function scopeMethod({ method }: Request): string {
  const counted = method === "HEAD" ? "GET" : method;
  return METHODS.includes(counted) ? counted : "*";
}
