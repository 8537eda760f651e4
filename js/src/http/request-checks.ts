import type { Decision } from "../decision.ts";
import { type CheckedLimit, takeBackAll } from "./checked-limit.ts";
import { exposedHeaders } from "./cors.ts";
import type { HeaderFamily } from "./header-family.ts";
import { type Decisions, type Field, LimitSet } from "./limit-set.ts";
import { MergedFields } from "./merged-fields.ts";
import { mostBindingOf } from "./most-binding.ts";
import type { NamedRules } from "./named-rules.ts";
import type { Denial, ResponseHead } from "./options.ts";
import { keepState, stateOf } from "./request-states.ts";
import { unique } from "./unique.ts";
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
  readonly limits: readonly CheckedLimit[];
}

/** The headers to set on a response, and the end of its refunds if there are any. */
export interface Finish {
  readonly fields: readonly Field[];
  readonly refunded: Promise<unknown> | undefined;
}

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
  /** Whether the headers of a response of Node are being written. */
  isFinishing = false;
  // Few of these lists get more than one item: an array that grows by `push` has room for many.
  #stages: readonly Stage[] = [];
  /** Those of all stages. */
  #limits: readonly CheckedLimit[] = [];
  #scopes: readonly string[] = [];
  #begun: readonly Step[] = [];
  /** The headers that were set before, if the response is finished again. */
  #merged: MergedFields | undefined;

  /** The state of a request, which is made at the first call. */
  static of(request: object): RequestState {
    return stateOf(request) ?? new RequestState(request);
  }

  private constructor(request: object) {
    this.owner = request;
    keepState(this);
  }

  get isEmpty(): boolean {
    return !this.#stages.length;
  }

  get decisions(): Decision[] {
    return this.#limits.flatMap(({ decision }) => decision ?? []);
  }

  get keys(): string[] {
    return this.#limits.flatMap(({ key, decision }) => (decision ? key : []));
  }

  hasKey(key: string): boolean {
    return this.#limits.some((limit) => limit.key === key);
  }

  async refund(): Promise<number> {
    const units = await Promise.all(this.#limits.map((limit) => limit.takeBack()));
    return units.reduce((sum, one) => sum + one, 0);
  }

  /** Returns the scope, with a suffix if another limit of the request has it. */
  reserve(scope: string): string {
    const reserved = unique(scope, (other) => this.#scopes.includes(other));
    this.#scopes = [...this.#scopes, reserved];
    return reserved;
  }

  /** Begins a step. Returns whether this is the first time. */
  begin(step: Step): boolean {
    if (this.#begun.includes(step)) {
      return false;
    }
    this.#begun = [...this.#begun, step];
    return true;
  }

  hasBegun(step: Step): boolean {
    return this.#begun.includes(step);
  }

  /** Adds the limits of a middleware. If one denies the request, the units of the others are taken back. */
  add(limits: readonly CheckedLimit[], settings: ResponseSettings): Promise<Denial> | undefined {
    this.#stages = [...this.#stages, { limits, settings }];
    this.#limits = [...this.#limits, ...limits];
    return limits.some(isDenied) ? this.#deny(settings) : undefined;
  }

  /** Takes back the units of all middleware: the request is not served. */
  takeBack(warnings: Warnings): Promise<unknown> {
    return takeBackAll(this.#limits, warnings);
  }

  async #deny({ warnings }: ResponseSettings): Promise<Denial> {
    await this.takeBack(warnings);
    return {
      decision: mostBindingOf(this.#limits) as Decision,
      decisions: this.decisions as unknown as Decisions,
      problem: limitSet(this.#limits).problem(this.#limits),
    };
  }

  /**
   * Takes back the units of a response that does not count, and returns the headers to set on it. `isCrossOrigin` is
   * whether the request came from a page of another origin.
   */
  finish(response: ResponseHead, isCrossOrigin: boolean): Finish {
    let refunded: Promise<unknown> | undefined;
    for (const { limits, settings } of this.#stages) {
      const { countIf, warnings } = settings;
      if (countIf && !counts(countIf, response, warnings)) {
        refunded = Promise.all([refunded, takeBackAll(limits, warnings)]);
      }
    }
    // The refunds have begun, so the headers are those after them.
    return { fields: this.#fields(response, isCrossOrigin), refunded };
  }

  #fields(response: ResponseHead, isCrossOrigin: boolean): readonly Field[] {
    const { settings } = this.#stages.at(-1) as Stage;
    const own = limitSet(this.#limits).headers(settings.family, this.#limits, Date.now);
    this.#merged = new MergedFields(own, response, this.#limits.some(isDenied), this.#merged);
    const { fields } = this.#merged;
    if (!isCrossOrigin || !settings.exposes || !own.length) {
      return fields;
    }
    const exposed = exposedHeaders(response.header(EXPOSE), own);
    return [...fields, [EXPOSE, exposed]];
  }
}

function isDenied({ decision }: CheckedLimit): boolean {
  return decision !== undefined && !decision.allowed;
}

const EXPOSE = "access-control-expose-headers";

function limitSet(limits: readonly CheckedLimit[]): LimitSet {
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
