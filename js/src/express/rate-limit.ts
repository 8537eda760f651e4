import type { NextFunction, Request, RequestHandler, Response } from "express";
import { HttpLimiter, type Outcome } from "../http/http-limiter.ts";
import { NodeHead } from "../http/node.ts";
import { finishNode } from "../http/node-response.ts";
import type { Awaitable, Denial, HttpOptions } from "../http/options.ts";
import { RequestState } from "../http/request-checks.ts";
import { ownResponse, PROBLEM_JSON } from "../http/responses.ts";
import { scopeOf } from "./scope.ts";

/** Options of {@link rateLimit}. */
export interface ExpressOptions extends HttpOptions<Request> {
  /**
   * Responds to a denied request, in place of 429 and problem details. The status is 429 unless the function sets
   * another, and the rate limit headers are added.
   */
  readonly onDenied?: (request: Request, response: Response, denial: Denial) => Awaitable<unknown>;
}

/**
 * Creates a middleware for Express 4 and 5 that limits requests: for an application, a router or a route.
 *
 * ```ts
 * app.use(rateLimit({ limiter, limit: "100/minute; 1000/day" }));
 * app.post("/login", rateLimit({ limiter, limit: "5/minute" }), login);
 * ```
 *
 * Either all limits of a request count it or none does, also those of several middleware. A request that cannot be
 * checked because of an unexpected error is served, unless `onError` is `deny`.
 *
 * @throws {TypeError} The limiter or the limits are not given, or `names` are given to a function.
 * @throws {RangeError} An option is out of range.
 * @throws {ParseRulesError} A limit is a text that is not rules.
 */
export function rateLimit(options: ExpressOptions): RequestHandler {
  const limiter = new HttpLimiter(options);
  const handle = async (
    request: Request,
    response: Response,
    next: NextFunction,
  ): Promise<boolean> => {
    const scoped = [{ limits: limiter.limits, scope: scopeOf(request, next) }];
    const head = new NodeHead(request, request.originalUrl);
    const state = RequestState.of(request);
    const outcome = await limiter.check(state, request, head, scoped);
    finishNode(state, request, response);
    return outcome === "serve" || (await deny(options, request, response, outcome));
  };
  return (request: Request, response: Response, next: NextFunction): void => {
    handle(request, response, next).then((isServed) => {
      if (isServed) {
        next();
      }
    }, next);
  };
}

async function deny(
  { onDenied }: ExpressOptions,
  request: Request,
  response: Response,
  outcome: Exclude<Outcome, "serve">,
): Promise<false> {
  // Something else has responded, such as a timeout.
  if (response.headersSent) {
    return false;
  }
  const { status, body } = ownResponse(outcome);
  response.statusCode = status;
  if (onDenied && outcome !== "unavailable") {
    await onDenied(request, response, outcome);
  } else {
    response.setHeader("Content-Type", PROBLEM_JSON);
    response.end(body);
  }
  return false;
}
