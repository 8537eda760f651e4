import type { Limiter } from "../limiter.ts";
import { isPreflight } from "./cors.ts";
import { type DecidedLimit, decide, type KeyedLimit } from "./decided-limit.ts";
import { validFamily } from "./header-family.ts";
import { clientNetwork } from "./ip-address.ts";
import { subjectKey } from "./keys.ts";
import type { Denial, HttpOptions, LimitOptions } from "./options.ts";
import { ExemptPaths } from "./paths.ts";
import { RequestState, type ResponseSettings } from "./request-checks.ts";
import { type AppliedLimit, MAX_SERVER_COST, RequestLimit } from "./request-limit.ts";
import { TrustedProxies } from "./trusted-proxies.ts";
import { Warnings } from "./warnings.ts";

/** The options of one limit. */
const ONE_LIMIT = ["key", "cost", "scope", "names", "plan"] as const;

/** The parts of a request that all frameworks have. */
export interface RequestHead {
  readonly method: string;
  /** The path, without the query. */
  readonly path: string;
  /** The address of the peer, if it has one. */
  readonly peer: string | undefined;
  /** Returns the value of a header, with its lines joined by commas. */
  header(name: string): string | undefined;
}

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
    const { limiter, limit, plans, limits, onError = "allow" } = options;
    if (typeof limiter?.check !== "function") {
      throw new TypeError("expected a limiter, such as a LocalLimiter");
    }
    if (onError !== "allow" && onError !== "deny") {
      throw new RangeError(`onError must be allow or deny, not '${onError}'`);
    }
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
      options.trustedProxies ?? [],
      options.proxyHeader ?? "x-forwarded-for",
    );
    this.#exempt = new ExemptPaths(options.exempt ?? [], options.exemptHealth ?? true);
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

  /** Checks a request. `owner` is an object that lives as long as the request, for `checksOf`. */
  async check(
    owner: object,
    request: R,
    head: RequestHead,
    scoped: readonly ScopedLimits<R>[],
  ): Promise<Outcome> {
    const { countPreflight, onError } = this.#options;
    const state = RequestState.of(owner);
    // The scope of a limit must not depend on the subjects of other limits, nor on whether they apply.
    const unique: ScopedLimit<R>[] = [];
    for (const { limits, scope } of scoped) {
      for (const limit of limits) {
        unique.push({ limit, scope: limit.scope ?? state.reserve(scope) });
      }
    }
    const isPreflightExempt = !countPreflight && isPreflight(head.method, head.header);
    if (isPreflightExempt || this.#exempt.has(head.path)) {
      return "serve";
    }
    if (this.#options.skip && (await this.#skips(request))) {
      return "serve";
    }
    let isExcessive = false;
    try {
      const limits = await this.#apply(request, head, unique, state);
      if (!limits.length) {
        return "serve";
      }
      isExcessive = limits.some(({ cost }) => cost > MAX_SERVER_COST);
      const decided: DecidedLimit[] = await decide(this.#limiter, limits, this.warnings);
      return (await state.add(decided, this.#settings)) ?? "serve";
    } catch (error) {
      // A client that chooses a cost that the server rejects must not be served for it.
      const isServed = onError !== "deny" && !isExcessive;
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

  async #skips(request: R): Promise<boolean> {
    try {
      return !!(await this.#options.skip?.(request));
    } catch (error) {
      this.warnings.warn("the function skip failed, so the request is checked", error);
      return false;
    }
  }

  async #apply(
    request: R,
    head: RequestHead,
    scoped: readonly ScopedLimit<R>[],
    state: RequestState,
  ): Promise<KeyedLimit[]> {
    const keyed: KeyedLimit[] = [];
    const used = state.keys;
    for (const { limit, scope } of scoped) {
      // Most limits need no wait, which costs more than the rest.
      const pending = limit.apply(request, scope);
      const applied = pending instanceof Promise ? await pending : pending;
      if (applied) {
        const made = this.#key(applied, head);
        let key = typeof made === "string" ? made : await made;
        // A key has one log, so two limits with the same key would use twice the units.
        while (used.includes(key)) {
          key += "#";
        }
        used.push(key);
        const { rules, named, subject, cost } = applied;
        keyed.push({ rules, named, subject, scope, cost, key });
      }
    }
    return keyed;
  }

  #key({ subject, scope }: AppliedLimit, head: RequestHead): string | Promise<string> {
    return subjectKey(this.#prefix, subject ?? this.#address(head), scope);
  }

  #address(head: RequestHead): string {
    const address = this.#proxies.clientAddress(head.peer, head.header);
    if (!address) {
      this.warnings.warn("the address of a client is not known, so all such clients share a limit");
    }
    return `ip:${address ? clientNetwork(address) : "unknown"}`;
  }
}
