import type { Decision } from "../decision.ts";
import type { Limiter, RuleSource } from "../limiter.ts";
import type { HeaderFamily } from "./header-family.ts";
import type { Decisions, QuotaProblem } from "./limit-set.ts";
import type { ProxyHeader } from "./trusted-proxies.ts";
import type { Warn } from "./warnings.ts";

/** A value, or a promise of one. */
export type Awaitable<T> = T | Promise<T>;

/** One limit on requests, of which `R` is the type in the framework. */
export interface LimitOptions<R> {
  /**
   * The rules, such as `"100/minute; 1000/day"`, or `{ policy: "search" }`, or a function that returns them, also
   * asynchronously. `null` exempts the request from this limit.
   */
  readonly limit?: RuleSource | ((request: R) => Awaitable<RuleSource | null>);
  /** In place of `limit`: the rules of each plan, by its name. A plan that is not listed gets the first. */
  readonly plans?: Readonly<Record<string, RuleSource>>;
  /** Returns the plan of a request, for `plans`. */
  readonly plan?: (request: R) => Awaitable<string | undefined>;
  /** The names of the rules in the headers, one for each rule of `limit`. Default: their texts. */
  readonly names?: readonly string[];
  /**
   * Returns the subject that the request counts for, such as `user:42`. Default, and for `undefined` or an empty text:
   * the client's address, such as `ip:192.0.2.7`. `null` exempts the request from this limit.
   */
  readonly key?: (request: R) => Awaitable<string | number | bigint | null | undefined>;
  /**
   * The units that a request uses, or a function that returns them, an integer from 0 on. A request of cost 0 is checked
   * as a cost of 1, but not counted. Any other result, or an error, is a cost of 1, and logged. Default: 1.
   */
  readonly cost?: number | ((request: R) => Awaitable<number>);
  /** Requests with the same scope share their units. Default: the method and the pattern of the route, or `*`. */
  readonly scope?: string;
}

/** The status and the headers of a response. */
export interface ResponseHead {
  readonly status: number;
  /** Returns the value of a header. */
  header(name: string): string | undefined;
}

/** Options that all frameworks have. */
export interface HttpOptions<R> extends LimitOptions<R> {
  /** Decides the checks. */
  readonly limiter: Limiter;
  /** In place of `limit`: several limits. Either all of them count a request or none does. */
  readonly limits?: readonly LimitOptions<R>[];
  /** The prefix of all keys. Default: `ratelog`. */
  readonly prefix?: string;
  /** The family of rate limit headers. Default: `draft-11`. */
  readonly headers?: HeaderFamily;
  /** Whether responses to requests from other origins let browsers' scripts read the headers. Default: `true`. */
  readonly exposeHeaders?: boolean;
  /** Networks and addresses of proxies that report the client's address; `unix` for Unix sockets. Default: none. */
  readonly trustedProxies?: readonly string[];
  /** The header in which the proxies report it. Default: `x-forwarded-for`. */
  readonly proxyHeader?: ProxyHeader;
  /** Returns whether a request is exempt. If it throws, the request is not. */
  readonly skip?: (request: R) => Awaitable<boolean>;
  /** Exempt paths, such as `/metrics`, `/files/:id` and `/internal/*`. Default: none. */
  readonly exempt?: readonly string[];
  /** Whether `/health`, `/healthz`, `/livez`, `/readyz` and `/ping` are exempt, too. Default: `true`. */
  readonly exemptHealth?: boolean;
  /** Whether the preflight requests of browsers (CORS) count. Default: `false`. */
  readonly countPreflight?: boolean;
  /**
   * Returns whether a request counts, by its response. It counts until then, so that concurrent requests cannot exceed a
   * limit. If it throws, or returns a promise, the request counts.
   */
  readonly countIf?: (response: ResponseHead) => boolean;
  /** Serves or denies requests that could not be checked because of an unexpected error. Default: `allow`. */
  readonly onError?: "allow" | "deny";
  /** Receives warnings, each at most once a minute. Default: `console.warn`. */
  readonly warn?: Warn;
}

/** A denied request. */
export interface Denial {
  /** The denial with the longest wait. */
  readonly decision: Decision;
  /** The decisions on the request's limits. Those that were not decided are left out. */
  readonly decisions: Decisions;
  /** The body of the default response. */
  readonly problem: QuotaProblem;
}
