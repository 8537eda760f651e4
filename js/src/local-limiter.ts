import { toRules, toSource, validateCost, validateKey } from "./arguments.ts";
import { check, type Decision, peek } from "./decision.ts";
import type { Check, CheckOptions, Limiter, RuleSource } from "./limiter.ts";
import { Log } from "./log.ts";
import { Rules } from "./rules.ts";
import { TextCache } from "./text-cache.ts";

/** Options of {@link LocalLimiter}. */
export interface LocalLimiterOptions {
  /** The maximum memory in bytes, approximately. Default: 64 MiB, for about 100,000 keys with few units. */
  readonly maxBytes?: number;
  /** Returns the time in milliseconds since the Unix epoch. Default: `Date.now`. */
  readonly now?: () => number;
  /** The rules of policies, by name, for checks with `{ policy: name }`. Default: none. */
  readonly policies?: Readonly<Record<string, string | Rules>>;
}

const DEFAULT_MAX_BYTES = 64 * 2 ** 20;
/** The approximate memory of a key without its log and the characters of its name. */
const KEY_BYTES = 120;
/** The number of keys that a new key examines, to remove those whose units have expired. */
const EXAMINED_PER_KEY = 2;
/** The number of keys that are spared, because they were checked recently, before one is evicted. */
const MAX_SPARED = 16;

/** The log of a key. */
class KeyLog extends Log {
  isRecent = true;
}

/**
 * An exact limiter in this process, with bounded memory. It decides exactly as the server's module does, for the checks
 * of one process.
 *
 * ```ts
 * const limiter = new LocalLimiter();
 * const { allowed } = limiter.check("user:42", "10/second; 1000/hour");
 * ```
 *
 * When the memory is full, each new key evicts one that was not checked recently. Its units no longer count, so it may
 * use up its limit once more within a window. While {@link evicted} is 0, every decision was exact.
 */
export class LocalLimiter implements Limiter {
  readonly #logs: Map<string, KeyLog> = new Map();
  readonly #rules: TextCache<Rules> = new TextCache(Rules.parse);
  readonly #parseText = (text: string) => this.#rules.get(text);
  readonly #policies: ReadonlyMap<string, Rules>;
  readonly #maxBytes: number;
  readonly #now: () => number;
  /** Examines the keys in turn. It stays at its place while keys come and go. */
  #hand: Iterator<[string, KeyLog]> = this.#logs.entries();
  #bytes = 0;
  #evicted = 0;

  /**
   * @throws {RangeError} `maxBytes` is not positive.
   * @throws {ParseRulesError} The rules of a policy are a text that is not rules.
   */
  constructor({
    maxBytes = DEFAULT_MAX_BYTES,
    now = Date.now,
    policies = {},
  }: LocalLimiterOptions = {}) {
    if (!(maxBytes > 0)) {
      throw new RangeError(`maxBytes must be positive, not ${maxBytes}`);
    }
    this.#maxBytes = maxBytes;
    this.#now = now;
    this.#policies = new Map(
      Object.entries(policies).map(([name, rules]) => [name, toRules(rules)]),
    );
  }

  /** The number of keys, including those whose units have expired but that are not removed yet. */
  get size(): number {
    return this.#logs.size;
  }

  /** The used memory in bytes, approximately. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The number of keys that were evicted while they had unexpired units. */
  get evicted(): number {
    return this.#evicted;
  }

  /**
   * Decides a check of a key, and records its units if it is allowed.
   *
   * @throws {ParseRulesError} `rules` is a text that is not rules.
   * @throws {RangeError} `cost` is not an integer from 1 to 4,294,967,295, or there is no policy of that name.
   * @throws {TypeError} `key` or `rules` has another type.
   */
  check(key: string, rules: RuleSource, { cost = 1 }: CheckOptions = {}): Decision {
    const [parsed, units, now] = [this.#parse(rules), validateCost(cost), this.#now()];
    const decision = this.#check(validateKey(key), parsed, units, now);
    this.#makeRoom(now);
    return decision;
  }

  /**
   * Checks several keys, all or nothing: the units are recorded on every key or on none. Returns a decision for each, in
   * order. If one denies, the others are those of a peek. A key that is given twice uses twice the units.
   *
   * Throws the errors of {@link check}, before anything is recorded.
   */
  checkAll(checks: readonly Check[], { cost = 1 }: CheckOptions = {}): Decision[] {
    const [units, now] = [validateCost(cost), this.#now()];
    /** The units that the earlier checks will record. */
    const pending = new Map<string, number>();
    const evaluated = checks.map(({ key, rules }) => {
      const before = pending.get(validateKey(key)) ?? 0;
      const parsed = this.#parse(rules);
      const decision = peek(this.#logs.get(key) ?? new Log(), now, parsed, before + units);
      pending.set(key, before + (decision.allowed ? units : 0));
      return { key, parsed, decision };
    });
    if (evaluated.every(({ decision }) => decision.allowed)) {
      const decisions = evaluated.map(({ key, parsed }) => this.#check(key, parsed, units, now));
      this.#makeRoom(now);
      return decisions;
    }
    for (const key of pending.keys()) {
      this.#logs.get(key)?.shift(now);
    }
    return evaluated.map(({ decision }) => decision);
  }

  /** Returns the decision that a check would get. Records nothing, and throws the errors of {@link check}. */
  peek(key: string, rules: RuleSource, { cost = 1 }: CheckOptions = {}): Decision {
    const log = this.#logs.get(validateKey(key)) ?? new Log();
    return peek(log, this.#now(), this.#parse(rules), validateCost(cost));
  }

  /**
   * Takes the newest units of a key back. Returns how many there were, at most `cost`.
   *
   * @throws {RangeError} `cost` is not an integer from 1 to 4,294,967,295.
   */
  refund(key: string, { cost = 1 }: CheckOptions = {}): number {
    return this.#refund(key, validateCost(cost));
  }

  /** Forgets the units of a key. Returns their number. */
  reset(key: string): number {
    return this.#refund(key, Infinity);
  }

  #refund(key: string, units: number): number {
    const log = this.#logs.get(validateKey(key));
    if (!log) {
      return 0;
    }
    const before = log.bytes;
    const refunded = log.refund(this.#now(), units);
    this.#bytes += log.bytes - before;
    if (log.isEmpty) {
      this.#remove(key, log);
    }
    return refunded;
  }

  #check(key: string, rules: Rules, units: number, now: number): Decision {
    const known = this.#logs.get(key);
    const log = known ?? new KeyLog();
    const before = log.bytes;
    const decision = check(log, now, rules, units);
    if (known) {
      known.isRecent = true;
      this.#bytes += known.bytes - before;
    } else if (decision.allowed) {
      this.#sweep(now);
      this.#logs.set(key, log);
      this.#bytes += bytesOf(key, log);
    }
    return decision;
  }

  #parse(rules: RuleSource): Rules {
    const source = toSource(rules, this.#parseText);
    return "policy" in source ? this.#policy(source.policy) : source;
  }

  #policy(name: string): Rules {
    const rules = this.#policies.get(name);
    if (!rules) {
      throw new RangeError(`no policy named '${name}'`);
    }
    return rules;
  }

  /** Removes keys whose units have expired, a few for each new key. */
  #sweep(now: number): void {
    for (let examined = 0; examined < EXAMINED_PER_KEY; examined++) {
      const next = this.#nextKey();
      if (next?.[1].isExpired(now)) {
        this.#remove(...next);
      }
    }
  }

  #makeRoom(now: number): void {
    for (let spared = 0; this.#bytes > this.#maxBytes; ) {
      const [key, log] = this.#nextKey() as [string, KeyLog];
      const isExpired = log.isExpired(now);
      if (log.isRecent && !isExpired && spared < MAX_SPARED) {
        log.isRecent = false;
        spared++;
      } else {
        this.#evicted += isExpired ? 0 : 1;
        this.#remove(key, log);
      }
    }
  }

  /** Returns the next key in turn; `undefined` if there is none. */
  #nextKey(): [string, KeyLog] | undefined {
    const next = this.#hand.next();
    if (!next.done) {
      return next.value;
    }
    this.#hand = this.#logs.entries();
    return this.#hand.next().value;
  }

  #remove(key: string, log: KeyLog): void {
    this.#logs.delete(key);
    this.#bytes -= bytesOf(key, log);
  }
}

function bytesOf(key: string, log: KeyLog): number {
  return KEY_BYTES + 2 * key.length + log.bytes;
}
