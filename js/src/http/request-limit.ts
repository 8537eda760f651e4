import { toSource } from "../arguments.ts";
import type { PolicyReference, RuleSource } from "../limiter.ts";
import { MAX_LIMIT } from "../rule.ts";
import { Rules } from "../rules.ts";
import { TextCache } from "../text-cache.ts";
import { NamedRules } from "./named-rules.ts";
import type { LimitOptions } from "./options.ts";
import type { Warnings } from "./warnings.ts";

/** The rules of a check, with their names. */
interface NamedSource {
  readonly rules: Rules | PolicyReference;
  readonly named: NamedRules;
}

/** A limit that applies to a request. */
export interface AppliedLimit extends NamedSource {
  /** The subject of the request; `undefined` for the client's address. */
  readonly subject: string | undefined;
  /** An integer from 0 on. */
  readonly cost: number;
}

/** One limit of a middleware: finds the rules, the subject and the cost of a request. */
export class RequestLimit<R> {
  /** The scope of the options; `undefined` for that of the route. */
  readonly scope: string | undefined;
  readonly #options: LimitOptions<R>;
  readonly #warnings: Warnings;
  /** The sources that do not depend on the request. */
  readonly #fixed: NamedSource | undefined;
  readonly #plans: ReadonlyMap<string, NamedSource>;
  /** How the limit applies to each request, if its options have no functions. */
  readonly #constant: AppliedLimit | undefined;

  /**
   * `suffix` distinguishes limits of one middleware that would have the same keys.
   *
   * @throws {TypeError} There is neither a limit nor plans, or `names` are given to a policy or a function.
   * @throws {ParseRulesError} A text is not rules.
   * @throws {RangeError} `names` or `cost` is invalid.
   */
  constructor(options: LimitOptions<R>, warnings: Warnings, suffix: string) {
    const { limit, plans, plan, names, cost, key } = options;
    if ((limit === undefined) === (plans === undefined) || !plans !== !plan) {
      throw new TypeError("expected either limit, or plans with a function plan");
    }
    if (names && typeof limit !== "string" && !(limit instanceof Rules)) {
      throw new TypeError("names are for a limit that is rules, and no policy or function");
    }
    if (key !== undefined && typeof key !== "function") {
      throw new TypeError("key must be a function");
    }
    if (cost !== undefined && typeof cost !== "function" && !isCost(cost)) {
      throw new RangeError(`cost must be an integer from 0 to ${MAX_LIMIT}, not ${cost}`);
    }
    this.#fixed =
      limit === undefined || typeof limit === "function" ? undefined : namedSource(limit, names);
    this.#plans = new Map(
      Object.entries(plans ?? {}).map(([name, source]) => [name, namedSource(source)]),
    );
    if (plans && !this.#plans.size) {
      throw new TypeError("expected at least one plan");
    }
    if (this.#fixed && !key && typeof cost !== "function") {
      const units = bounded(cost ?? 1, this.#fixed.rules);
      this.#constant = { ...this.#fixed, subject: undefined, cost: units };
    }
    this.scope = options.scope === undefined ? undefined : options.scope + suffix;
    this.#options = options;
    this.#warnings = warnings;
  }

  /** Whether two limits with scopes count the same requests for the same subjects. */
  static haveSameKeys<R>(one: LimitOptions<R>, other: LimitOptions<R>): boolean {
    return one.scope !== undefined && one.scope === other.scope && one.key === other.key;
  }

  /** Returns how the limit applies to a request, and `undefined` if the request is exempt. */
  apply(request: R): AppliedLimit | Promise<AppliedLimit | undefined> {
    return this.#constant ?? this.#evaluate(request);
  }

  async #evaluate(request: R): Promise<AppliedLimit | undefined> {
    const source = this.#fixed ?? (await this.#source(request));
    const subject = source && (await this.#subject(request));
    if (!source || subject === null) {
      return undefined;
    }
    const { rules, named } = source;
    return { rules, named, subject, cost: bounded(await this.#cost(request), rules) };
  }

  async #source(request: R): Promise<NamedSource | undefined> {
    const { limit, plan } = this.#options;
    if (typeof limit === "function") {
      const source = await limit(request);
      return source === null ? undefined : cachedSource(source);
    }
    let name: string | undefined;
    try {
      name = await plan?.(request);
    } catch (error) {
      this.#warnings.warn("a plan function failed, so the first plan is used", error);
      return this.#plans.values().next().value;
    }
    const source = this.#plans.get(name ?? "");
    if (source) {
      return source;
    }
    const [[first, least]] = this.#plans as Iterable<[string, NamedSource]> as [
      [string, NamedSource],
    ];
    this.#warnings.warn(`a request has a plan that is not listed, so the plan ${first} is used`);
    return least;
  }

  /** A function that fails must not exempt the request. */
  async #subject(request: R): Promise<string | null | undefined> {
    let subject: unknown;
    try {
      subject = await this.#options.key?.(request);
    } catch (error) {
      this.#warnings.warn("a key function failed, so the client's address is used", error);
    }
    switch (typeof subject) {
      case "string":
        return subject || undefined;
      case "number":
      case "bigint":
        return `${subject}`;
      case "undefined":
        return undefined;
      default:
        if (subject !== null) {
          this.#warnings.warn(
            `a key function returned a value of the type ${typeof subject}, so the client's address is used`,
          );
          return undefined;
        }
        return null;
    }
  }

  /** Clients often choose the cost, so no result is an error. */
  async #cost(request: R): Promise<number> {
    const { cost = 1 } = this.#options;
    if (typeof cost === "number") {
      return cost;
    }
    try {
      const units: unknown = await cost(request);
      if (
        typeof units === "number" &&
        (Number.isInteger(units) || units === Infinity) &&
        units >= 0
      ) {
        return units;
      }
      this.#warnings.warn(
        "a cost function returned a value that is no integer from 0 on; such requests cost 1",
      );
    } catch (error) {
      this.#warnings.warn("a cost function failed; such requests cost 1", error);
    }
    return 1;
  }
}

/** The highest cost that servers accept by default. */
export const MAX_SERVER_COST = 1_000_000;

const sources: TextCache<NamedSource> = new TextCache((text) => namedSource(text));

function cachedSource(source: RuleSource): NamedSource {
  return typeof source === "string" ? sources.get(source) : namedSource(source);
}

function namedSource(source: RuleSource, names?: readonly string[]): NamedSource {
  const rules = toSource(source, Rules.parse, "a limit");
  const named = "policy" in rules ? NamedRules.ofPolicy(rules) : NamedRules.of(rules, names);
  return { rules, named };
}

function isCost(cost: number): boolean {
  return Number.isInteger(cost) && cost >= 0 && cost <= MAX_LIMIT;
}

/**
 * Lowers a cost that exceeds every limit, but not below 1,000,000, the highest cost that servers accept by default: an
 * override may allow more than these rules.
 */
function bounded(cost: number, rules: NamedSource["rules"]): number {
  if ("policy" in rules) {
    return Math.min(cost, MAX_LIMIT);
  }
  const over = Math.max(...rules.list.map(({ limit }) => limit)) + 1;
  return Math.min(cost, Math.max(over, MAX_SERVER_COST), MAX_LIMIT);
}
