import { validateList, validateOneOf } from "../arguments.ts";
import type { Limiter } from "../limiter.ts";
import { decide, type KeyedLimit } from "./checked-limit.ts";
import { isPreflight } from "./cors.ts";
import { validFamily } from "./header-family.ts";
import { subjectKey } from "./keys.ts";
import type { Awaitable, Denial, HttpOptions, LimitOptions } from "./options.ts";
import { ExemptPaths } from "./paths.ts";
import type { RequestState, ResponseSettings } from "./request-checks.ts";
import type { RequestHead } from "./request-head.ts";
import { type AppliedLimit, MAX_SERVER_COST, RequestLimit } from "./request-limit.ts";
import { TrustedProxies } from "./trusted-proxies.ts";
import { unique } from "./unique.ts";
import { Warnings } from "./warnings.ts";

/** The options of one limit. */
const ONE_LIMIT = ["key", "cost", "scope", "names", "plan"] as const;

/** Limits with the same default scope. */
export interface ScopedLimits<R> {
  readonly limits: readonly RequestLimit<R>[];
  readonly scope: string;
}

/** A limit, and its scope on a request. */
interface ScopedLimit<R> {
  readonly limit: RequestLimit<R>;
  readonly scope: string;
}

/** The outcome for a request: `serve` it, or deny it, or respond that it could not be checked. */
export type Outcome = "serve" | "unavailable" | Denial;

const SERVED: Promise<Outcome> = Promise.resolve("serve");

/** Checks the requests of any framework. */
export class HttpLimiter<R> {
  /** The limits of the options. */
  readonly limits: readonly RequestLimit<R>[];
  readonly warnings: Warnings;
  readonly #limiter: Limiter;
  readonly #prefix: string;
  readonly #proxies: TrustedProxies;
  readonly #exempt: ExemptPaths;
  readonly #options: HttpOptions<R>;
  readonly #settings: ResponseSettings;

  /**
   * @throws {TypeError} The limiter or the limits are not given, or `names` are given to a function.
   * @throws {RangeError} An option is out of range.
   * @throws {ParseRulesError} A limit is a text that is not rules.
   */
  constructor(options: HttpOptions<R>, needsLimits: boolean = true) {
    const { limiter, limit, plans, onError = "allow" } = options;
    const limits = options.limits && validateList("limits", options.limits);
    if (typeof limiter?.check !== "function") {
      throw new TypeError("expected a limiter, such as a LocalLimiter");
    }
    validateOneOf("onError", onError, ["allow", "deny"]);
    if (limits && (limit !== undefined || plans)) {
      throw new TypeError("expected either limits, or one limit");
    }
    if (needsLimits && limits && !limits.length) {
      throw new TypeError("expected at least one limit");
    }
    const isNone = !needsLimits && limit === undefined && !plans && !limits;
    const ignored = ONE_LIMIT.filter((name) => options[name] !== undefined);
    if ((limits || isNone) && ignored.length) {
      throw new TypeError(`expected ${ignored.join(", ")} in each of the limits`);
    }
    this.#options = options;
    this.#limiter = limiter;
    this.#prefix = options.prefix ?? "ratelog";
    this.#proxies = new TrustedProxies(
      validateList("trustedProxies", options.trustedProxies ?? []),
      options.proxyHeader ?? "x-forwarded-for",
    );
    this.#exempt = new ExemptPaths(
      validateList("exempt", options.exempt ?? []),
      options.exemptHealth ?? true,
    );
    this.warnings = new Warnings(options.warn);
    this.limits = this.compile(isNone ? [] : (limits ?? [options]));
    this.#settings = {
      family: validFamily(options.headers ?? "draft-11"),
      exposes: options.exposeHeaders ?? true,
      countIf: options.countIf,
      warnings: this.warnings,
    };
  }

  /** Verifies limits. Those that would have the same keys get different scopes. */
  compile(limits: readonly LimitOptions<R>[]): RequestLimit<R>[] {
    return limits.map((limit, index) => {
      const same = limits.slice(0, index).filter((one) => RequestLimit.haveSameKeys(one, limit));
      return new RequestLimit(limit, this.warnings, "#".repeat(same.length));
    });
  }

  /** Checks a request. */
  check(
    state: RequestState,
    request: R,
    head: RequestHead,
    scoped: readonly ScopedLimits<R>[],
  ): Promise<Outcome> {
    const { skip, countPreflight } = this.#options;
    const limits = withScopes(scoped, state);
    const isPreflightExempt = !countPreflight && isPreflight(head);
    if (isPreflightExempt || this.#exempt.has(head.path)) {
      return SERVED;
    }
    return skip
      ? this.#skips(skip, request).then((skips) =>
          skips ? "serve" : this.#checkLimits(state, request, head, limits),
        )
      : this.#checkLimits(state, request, head, limits);
  }

  async #skips(skip: NonNullable<HttpOptions<R>["skip"]>, request: R): Promise<boolean> {
    try {
      return !!(await skip(request));
    } catch (error) {
      this.warnings.warn("the function skip failed, so the request is checked", error);
      return false;
    }
  }

  async #checkLimits(
    state: RequestState,
    request: R,
    head: RequestHead,
    limits: readonly ScopedLimit<R>[],
  ): Promise<Outcome> {
    const keyed: KeyedLimit[] = [];
    try {
      for (const { limit, scope } of limits) {
        // Most limits need no wait, which costs more than the rest.
        const pending = limit.apply(request);
        const applied = pending instanceof Promise ? await pending : pending;
        if (applied) {
          const made = this.#key(applied, scope, head);
          const key = typeof made === "string" ? made : await made;
          const { rules, named, cost } = applied;
          // It has one log: two limits with it would use twice the units.
          const isUsed = (other: string) =>
            state.hasKey(other) || keyed.some((one) => one.key === other);
          keyed.push({ key: unique(key, isUsed), rules, named, cost });
        }
      }
      if (!keyed.length) {
        return "serve";
      }
      const checked = await decide(this.#limiter, keyed, this.warnings);
      const denial = state.add(checked, this.#settings);
      // Most requests need no wait.
      return denial ? await denial : "serve";
    } catch (error) {
      // A client that chooses a cost that the server rejects must not be served for it.
      const isExcessive = keyed.some(({ cost }) => cost > MAX_SERVER_COST);
      const isServed = this.#options.onError !== "deny" && !isExcessive;
      this.warnings.warn(
        `requests could not be checked, and are ${isServed ? "served" : "denied"}`,
        error,
      );
      if (isServed) {
        return "serve";
      }
      await state.takeBack(this.warnings);
      return "unavailable";
    }
  }

  #key({ subject }: AppliedLimit, scope: string, head: RequestHead): Awaitable<string> {
    return subjectKey(this.#prefix, subject ?? this.#address(head), scope);
  }

  #address(head: RequestHead): string {
    const network = this.#proxies.clientNetwork(head);
    if (network === undefined) {
      this.warnings.warn("the address of a client is not known, so all such clients share a limit");
    }
    return `ip:${network ?? "unknown"}`;
  }
}

/** The scope of a limit must not depend on the subjects of other limits, nor on whether they apply. */
function withScopes<R>(
  scoped: readonly ScopedLimits<R>[],
  state: RequestState,
): readonly ScopedLimit<R>[] {
  const limits: ScopedLimit<R>[] = [];
  for (const { limits: list, scope } of scoped) {
    for (const limit of list) {
      limits.push({ limit, scope: limit.scope ?? state.reserve(scope) });
    }
  }
  return limits;
}
