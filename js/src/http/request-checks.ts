import type { Decision } from "../decision.ts";
import { exposedHeaders } from "./cors.ts";
import { type DecidedLimit, takeBackAll } from "./decided-limit.ts";
import type { HeaderFamily } from "./header-family.ts";
import { type Decisions, type Field, LimitSet } from "./limit-set.ts";
import { mostBinding } from "./most-binding.ts";
import type { NamedRules } from "./named-rules.ts";
import type { Denial, ResponseHead } from "./options.ts";
import type { Warnings } from "./warnings.ts";

/** The checks of a request. */
export interface RequestChecks {
  /** The decisions, one for each limit. */
  readonly decisions: readonly Decision[];
  /** The keys that count the request, one for each limit. */
  readonly keys: readonly string[];
  /**
   * Takes back the units that the request has recorded, as if it had not come. Returns the number of units. A second
   * call takes back nothing. Rejects with the limiter's error.
   */
  refund(): Promise<number>;
}

/** The settings of a middleware for responses. */
export interface ResponseSettings {
  readonly family: HeaderFamily;
  readonly exposes: boolean;
  readonly countIf: ((response: ResponseHead) => boolean) | undefined;
  readonly warnings: Warnings;
}

/** The limits that one middleware has checked. */
interface Stage {
  readonly settings: ResponseSettings;
  readonly limits: readonly DecidedLimit[];
}

/** The headers to set on a response, and the end of its refunds. */
export interface Finish {
  readonly fields: readonly Field[];
  readonly refunded: Promise<unknown>;
}

/** A property of requests: the garbage collector takes longer for entries of a `WeakMap`. */
const STATE: unique symbol = Symbol("ratelog");

interface Owner {
  [STATE]?: RequestState;
}

/** The states of requests that do not keep the property: frozen ones, proxies, and copies of others. */
const states: WeakMap<object, RequestState> = new WeakMap();

/** The sets that begin with the same limits, for requests with the same limits as earlier ones. */
interface KnownSets {
  readonly next: WeakMap<NamedRules, KnownSets>;
  set?: LimitSet;
}

const knownSets: KnownSets = { next: new WeakMap() };

/** Returns the checks of a request, and `undefined` if it was not checked. */
export function checksOf(request: object): RequestChecks | undefined {
  const state = stateOf(request);
  return state?.isEmpty ? undefined : state;
}

/** A step of a request that is done once: by one middleware, or by the first of all. */
type Step = object | "check route" | "finish";

/** The checks that all middleware on a request have made. */
export class RequestState implements RequestChecks {
  /** The request. */
  readonly owner: object;
  readonly #stages: Stage[] = [];
  /** Those of all stages. */
  readonly #limits: DecidedLimit[] = [];
  readonly #scopes: string[] = [];
  readonly #begun: Step[] = [];

  /** The state of a request, which is made at the first call. */
  static of(request: object): RequestState {
    return stateOf(request) ?? new RequestState(request);
  }

  private constructor(request: object) {
    this.owner = request;
    if (propertyOf(request) === undefined) {
      try {
        (request as Owner)[STATE] = this;
      } catch {
        // It takes no properties.
      }
    }
    if (propertyOf(request) !== this) {
      states.set(request, this);
    }
  }

  get isEmpty(): boolean {
    return !this.#stages.length;
  }

  get decisions(): Decision[] {
    return this.#limits.map(({ decision }) => decision);
  }

  get keys(): string[] {
    return this.#limits.map(({ key }) => key);
  }

  async refund(): Promise<number> {
    const units = await Promise.all(this.#limits.map((limit) => limit.takeBack()));
    return units.reduce((sum, one) => sum + one, 0);
  }

  /** Returns the scope, with a suffix if another limit of the request has it. */
  reserve(scope: string): string {
    let unique = scope;
    while (this.#scopes.includes(unique)) {
      unique += "#";
    }
    this.#scopes.push(unique);
    return unique;
  }

  /** Begins a step. Returns whether this is the first time. */
  begin(step: Step): boolean {
    if (this.#begun.includes(step)) {
      return false;
    }
    this.#begun.push(step);
    return true;
  }

  hasBegun(step: Step): boolean {
    return this.#begun.includes(step);
  }

  /** Adds the decisions of a middleware. If they deny the request, the units of the others are taken back. */
  add(limits: readonly DecidedLimit[], settings: ResponseSettings): Promise<Denial> | undefined {
    this.#stages.push({ limits, settings });
    this.#limits.push(...limits);
    return limits.every(({ decision }) => decision.allowed) ? undefined : this.#deny(settings);
  }

  /** Takes back the units of all middleware: the request is not served. */
  takeBack(warnings: Warnings): Promise<unknown> {
    return takeBackAll(this.#limits, warnings);
  }

  async #deny({ warnings }: ResponseSettings): Promise<Denial> {
    await this.takeBack(warnings);
    const decisions = this.decisions as unknown as Decisions;
    return {
      decision: mostBinding(decisions),
      decisions,
      problem: limitSet(this.#limits).problem(decisions),
    };
  }

  /**
   * Takes back the units of a response that does not count, and returns the headers to set on it. `isCrossOrigin` is
   * whether the request came from a page of another origin.
   */
  finish(response: ResponseHead, isCrossOrigin: boolean, nowMs: number): Finish {
    let refunded: Promise<unknown> = NOTHING;
    for (const { limits, settings } of this.#stages) {
      const { countIf, warnings } = settings;
      if (countIf && !counts(countIf, response, warnings)) {
        refunded = Promise.all([refunded, takeBackAll(limits, warnings)]);
      }
    }
    // The refunds have begun, so the headers are those after them.
    return { fields: this.#fields(response, isCrossOrigin, nowMs), refunded };
  }

  #fields(response: ResponseHead, isCrossOrigin: boolean, nowMs: number): readonly Field[] {
    const limits = this.#limits;
    const { settings } = this.#stages.at(-1) as Stage;
    const family = limits.some(({ isCounted }) => isCounted) ? settings.family : "none";
    const decisions = this.decisions as unknown as Decisions;
    let fields = limitSet(limits).headers(family, decisions, nowMs);
    if (fields.at(-1)?.[0] === "retry-after" && response.header("retry-after") !== undefined) {
      // The function for denials has set its own.
      fields = fields.slice(0, -1);
    }
    if (!isCrossOrigin || !settings.exposes || !fields.length) {
      return fields;
    }
    const exposed = exposedHeaders(response.header(EXPOSE), fields);
    return [...fields, [EXPOSE, exposed]];
  }
}

function stateOf(request: object): RequestState | undefined {
  const state = propertyOf(request);
  // Copies of a request, and objects with it as their prototype, have its property.
  return state?.owner === request ? state : states.get(request);
}

function propertyOf(request: Owner): RequestState | undefined {
  try {
    return request[STATE];
  } catch {
    return undefined;
  }
}

const NOTHING = Promise.resolve();
const EXPOSE = "access-control-expose-headers";

function limitSet(limits: readonly DecidedLimit[]): LimitSet {
  let known = knownSets;
  for (const { named } of limits) {
    let next = known.next.get(named);
    if (!next) {
      next = { next: new WeakMap() };
      known.next.set(named, next);
    }
    known = next;
  }
  known.set ??= new LimitSet(limits.map(({ named }) => named));
  return known.set;
}

function counts(
  countIf: (response: ResponseHead) => boolean,
  response: ResponseHead,
  warnings: Warnings,
): boolean {
  try {
    const isCounted: unknown = countIf(response);
    if (isCounted instanceof Promise) {
      // One that rejects must not end the process.
      isCounted.catch(() => {});
      warnings.warn("the function countIf returned a promise, so the request counts");
    }
    return isCounted !== false;
  } catch (error) {
    warnings.warn("the function countIf failed, so the request counts", error);
    return true;
  }
}
