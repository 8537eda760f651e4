import type { Decision } from "../decision.ts";
import type { Limiter } from "../limiter.ts";
import { isRecorded, type SourcedDecision, unrecorded } from "../recorded.ts";
import type { NamedRules } from "./named-rules.ts";
import type { AppliedLimit } from "./request-limit.ts";
import type { Warnings } from "./warnings.ts";

/** A limit that applies to a request, and the key that counts it. */
export interface KeyedLimit extends Pick<AppliedLimit, "rules" | "named" | "cost"> {
  readonly key: string;
}

/** A limit of a request, with its decision, if it was decided. */
export class CheckedLimit {
  readonly key: string;
  readonly named: NamedRules;
  readonly #limiter: Limiter;
  readonly #cost: number;
  #decision: SourcedDecision | undefined;
  /** When the recorded units have left all windows; `undefined` if there are none to take back. */
  #expiresAt: number | undefined;

  /** `sentAt` is when the check was sent, monotonic; `undefined` if it records nothing. */
  constructor(limiter: Limiter, limit: KeyedLimit, decision?: Decision, sentAt?: number) {
    this.key = limit.key;
    this.named = limit.named;
    this.#limiter = limiter;
    this.#cost = limit.cost;
    this.#decision = decision;
    if (decision && sentAt !== undefined && isRecorded(decision)) {
      this.#expiresAt = sentAt + longestWindowMs(limit, decision);
    }
  }

  /**
   * The decision, as if the units had not been recorded if they were taken back. `undefined` if the limit was not decided,
   * because another denied the request.
   */
  get decision(): Decision | undefined {
    return this.#decision;
  }

  /** Whether the decision is based on units. A fixed fallback counts none. */
  get isCounted(): boolean {
    return this.#decision?.source !== "fallback";
  }

  /** Takes the recorded units back. A second call takes back nothing. Returns how many there were. */
  async takeBack(): Promise<number> {
    const expiresAt = this.#expiresAt;
    this.#expiresAt = undefined;
    // A refund takes the newest units: after the window, those of other requests.
    if (!this.#decision || expiresAt === undefined || performance.now() >= expiresAt) {
      return 0;
    }
    this.#decision = unrecorded(this.#decision, this.#cost);
    const { source } = this.#decision;
    return await this.#limiter.refund(this.key, { cost: this.#cost, ...(source && { source }) });
  }
}

/** The windows of a policy are not known here. */
function longestWindowMs({ rules }: KeyedLimit, { windowMs }: Decision): number {
  return "longestWindowMs" in rules ? Math.max(windowMs, rules.longestWindowMs) : Infinity;
}

/** Takes back the units of limits. An error is logged: the units stay for their window. */
export async function takeBackAll(
  limits: Iterable<CheckedLimit>,
  warnings: Warnings,
): Promise<void> {
  const results = await Promise.allSettled([...limits].map((limit) => limit.takeBack()));
  for (const result of results) {
    if (result.status === "rejected") {
      warnings.warn("units were not taken back, and stay for their window", result.reason);
    }
  }
}

/**
 * Checks all limits of a request, all or none. Limits with the same cost are checked together. If the limits of one cost
 * deny, the units that those of another have recorded are taken back, and the others have no decision.
 */
export function decide(
  limiter: Limiter,
  limits: readonly KeyedLimit[],
  warnings: Warnings,
): Promise<CheckedLimit[]> {
  const [only, second] = limits;
  return only?.cost && !second ? decideOne(limiter, only) : decideAll(limiter, limits, warnings);
}

async function decideOne(limiter: Limiter, limit: KeyedLimit): Promise<CheckedLimit[]> {
  const { key, rules, cost } = limit;
  const sentAt = performance.now();
  const decision = decided(await limiter.check(key, rules, { cost }));
  return [new CheckedLimit(limiter, limit, decision, sentAt)];
}

/** @throws {TypeError} A limiter of the application has returned no decision. */
function decided(decision: Decision | undefined): Decision {
  if (!decision) {
    throw new TypeError("the limiter has returned no decision");
  }
  return decision;
}

async function decideAll(
  limiter: Limiter,
  limits: readonly KeyedLimit[],
  warnings: Warnings,
): Promise<CheckedLimit[]> {
  const sentAt = performance.now();
  const checked = new Map<KeyedLimit, CheckedLimit>();
  const costs = new Set(limits.map(({ cost }) => cost).sort((one, other) => one - other));
  for (const cost of costs) {
    const group = limits.filter((limit) => limit.cost === cost);
    let decisions: readonly Decision[];
    try {
      const made = await checkGroup(limiter, group, cost, warnings);
      decisions = group.map((_, index) => decided(made[index]));
    } catch (error) {
      await takeBackAll(checked.values(), warnings);
      throw error;
    }
    const isAllowed = decisions.every(({ allowed }) => allowed);
    for (const [index, limit] of group.entries()) {
      const records = isAllowed && cost > 0;
      const sent = records ? sentAt : undefined;
      checked.set(limit, new CheckedLimit(limiter, limit, decisions[index], sent));
    }
    if (!isAllowed) {
      await takeBackAll(checked.values(), warnings);
      break;
    }
  }
  return limits.map((limit) => checked.get(limit) ?? new CheckedLimit(limiter, limit));
}

async function checkGroup(
  limiter: Limiter,
  group: readonly KeyedLimit[],
  cost: number,
  warnings: Warnings,
): Promise<readonly Decision[]> {
  if (cost === 0 && limiter.peek) {
    return await Promise.all(group.map(({ key, rules }) => limiter.peek?.(key, rules) as Decision));
  }
  const options = { cost: Math.max(1, cost) };
  const sentAt = performance.now();
  const [first, ...others] = group as [KeyedLimit, ...KeyedLimit[]];
  const decisions = others.length
    ? await limiter.checkAll(group, options)
    : [await limiter.check(first.key, first.rules, options)];
  if (cost > 0 || !decisions.every(({ allowed }) => allowed)) {
    return decisions;
  }
  const free = group.map(
    (limit, index) => new CheckedLimit(limiter, { ...limit, cost: 1 }, decisions[index], sentAt),
  );
  await takeBackAll(free, warnings);
  return free.map(({ decision }) => decision as Decision);
}
