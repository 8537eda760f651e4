import { prefixedKey, toSource, validateCost } from "../arguments.ts";
import type { Connection } from "../clients/connection.ts";
import { type Client, connectionOf } from "../clients/detect.ts";
import type { Check, CheckOptions, Limiter, RefundOptions, RuleSource } from "../limiter.ts";
import { LocalLimiter } from "../local-limiter.ts";
import { Rules } from "../rules.ts";
import { TextCache } from "../text-cache.ts";
import { type Command, checkCommand } from "./commands.ts";
import { DenyCache } from "./deny-cache.ts";
import { Engine } from "./engine.ts";
import { logEvent, reporter } from "./events.ts";
import { type Explanation, parseExplanation } from "./explanation.ts";
import { type Health, healthOf } from "./health.ts";
import {
  type Hit,
  type HitsOptions,
  hitsCommand,
  parseHits,
  parseTop,
  type TopKey,
} from "./key-lists.ts";
import type { LimiterDecision } from "./limiter-decision.ts";
import { Local } from "./local.ts";
import { CheckOp, ModuleOnlyOp, RefundOp, ResetOp } from "./operation.ts";
import { type RateLimiterOptions, validateOptions } from "./options.ts";
import { OverrideAdmin } from "./override-admin.ts";
import { Policies } from "./policies.ts";
import { PolicyAdmin } from "./policy-admin.ts";
import type { Reply } from "./reply.ts";
import type { ParsedSource } from "./rule-source.ts";
import { Shards } from "./shards.ts";
import { addStats, parseStats, type Stats } from "./stats.ts";

/** More keys than a server reports. */
const MAX_TOP = 10_000;

/**
 * Checks limits at a server, with a timeout, and goes on without it while it is unavailable.
 *
 * ```ts
 * const client = new Redis("redis://localhost:6379", { autoResendUnfulfilledCommands: false });
 * const limiter = new RateLimiter(client);
 * const { allowed, retryAfterMs } = await limiter.check("user:42", "10/second; 1000/hour");
 * ```
 *
 * A check waits for the server no longer than the timeout. A circuit breaker counts the checks that were not answered:
 * because there is no connection, the time is over, or the server is loading, out of memory or a replica. While it is
 * open, no check waits: the fallback decides, and probes look for the server until it answers. In a cluster each shard has
 * a breaker. Other errors are thrown: an unknown policy, a key of another type, a limit over the server's bound.
 */
export class RateLimiter implements Limiter {
  readonly #engine: Engine;
  readonly #shards: Shards | undefined;
  readonly #prefix: string;
  readonly #rules: TextCache<Rules> = new TextCache(Rules.parse);
  readonly #parseText = (text: string) => this.#rules.get(text);
  /** The overrides of keys. */
  readonly overrides: OverrideAdmin;
  /** The policies of the server. */
  readonly policies: PolicyAdmin;

  /**
   * `client` is a client of node-redis, ioredis, iovalkey or valkey-glide, for one server, a cluster or Sentinel; the
   * limiter neither connects nor closes it. With `"memory://"` there is no server: this process decides.
   *
   * @throws {TypeError} `client` is no client of these libraries.
   * @throws {RangeError} An option is out of range.
   * @throws {ParseRulesError} A policy is a text that is not rules.
   */
  constructor(client: Client | "memory://", options: RateLimiterOptions = {}) {
    validateOptions(options);
    const { now = monotonicNow, fallback = "local", onEvent = logEvent } = options;
    const report = reporter(onEvent);
    const { localMaxBytes, denyCache: capacity = 0, timeoutMs = 100 } = options;
    const probeMinIntervalMs =
      options.probeMinIntervalMs ?? Math.min(100, options.probeMaxIntervalMs ?? 100);
    const probeMaxIntervalMs = options.probeMaxIntervalMs ?? Math.max(5000, probeMinIntervalMs);
    const connection = client === "memory://" ? undefined : connectionOf(client);
    const policies = new Policies(options.policies ?? {});
    const bounds = localMaxBytes === undefined ? {} : { maxBytes: localMaxBytes };
    const limiter = new LocalLimiter({ now, ...bounds });
    const hasCache = capacity > 0 && connection !== undefined;
    const denyCache = hasCache ? new DenyCache(capacity) : undefined;
    this.#prefix = options.prefix ?? "";
    this.#shards =
      connection &&
      new Shards(
        connection satisfies Connection,
        {
          timeoutMs,
          failureThreshold: options.failureThreshold ?? 5,
          probeMinIntervalMs,
          probeMaxIntervalMs,
          backend: options.backend ?? "auto",
          report,
          onUnavailable: () => denyCache?.clear(),
        },
        this.#prefix,
      );
    this.#engine = new Engine({
      shards: this.#shards,
      local: new Local(limiter, options.instances ?? 1),
      policies,
      fallback,
      denyCache,
      timeoutMs,
      retryAfterMs: probeMaxIntervalMs,
      report,
      now,
    });
    this.overrides = new OverrideAdmin(this.#engine, this.#shards, this.#prefix);
    this.policies = new PolicyAdmin(this.#engine);
  }

  /**
   * Decides a check of a key, and records its units if it is allowed. The rules are a text, {@link Rules}, or
   * `{ policy: name }`.
   *
   * While the server is unavailable, the fallback `"local"` allows a check under a policy that this process does not know.
   *
   * @throws {ParseRulesError} `rules` is a text that is not rules.
   * @throws {RangeError} The cost is not an integer from 1 to 4,294,967,295.
   * @throws {TypeError} `key` or `rules` has another type.
   * @throws {LimiterError} The server rejects the check, or it is unavailable and the fallback is `"error"`.
   */
  async check(
    key: string,
    rules: RuleSource,
    { cost = 1 }: CheckOptions = {},
  ): Promise<LimiterDecision> {
    // Settles sooner: returning the promise itself takes three turns of the microtask queue.
    return await this.#engine.check(this.#checkOp(key, rules, cost, true));
  }

  /** Returns the decision that a check would get. Records nothing, and throws the errors of {@link check}. */
  async peek(
    key: string,
    rules: RuleSource,
    { cost = 1 }: CheckOptions = {},
  ): Promise<LimiterDecision> {
    return this.#engine.decide(this.#checkOp(key, rules, cost, false));
  }

  /**
   * Decides checks of several keys: the units of all are recorded, or none. Returns the decisions in order.
   *
   * The checks are one command, `RL.MCHECK`, if each has one rule or a policy, and, in a cluster, the keys have one slot.
   * Otherwise there is a command for each, at once; if one is denied or fails, the units that the others have recorded are
   * taken back, and count until then. Throws the errors of {@link check}. Reads the deny cache only
   * for a single check.
   */
  async checkAll(
    checks: readonly Check[],
    { cost = 1 }: CheckOptions = {},
  ): Promise<LimiterDecision[]> {
    validateCost(cost);
    const list = checks.map(({ key, rules }) => ({
      key: this.#prefixed(key),
      source: this.#parse(rules),
    }));
    return list.length ? this.#engine.checkAll(list, cost) : [];
  }

  /**
   * Takes the newest units of a key back. Returns how many there were, at most the cost.
   *
   * @throws {RangeError} The cost is not an integer from 1 to 4,294,967,295.
   * @throws {LimiterError} The server rejects the operation, or it is unavailable and the fallback is not `"local"`, or
   * `source` is a server.
   */
  async refund(key: string, { cost = 1, source }: RefundOptions = {}): Promise<number> {
    const operation = new RefundOp(this.#prefixed(key), validateCost(cost), source);
    return source === undefined
      ? this.#engine.runAndInvalidate(operation)
      : this.#engine.takeBack(operation);
  }

  /** Forgets the units of a key. Returns their number. Throws the errors of {@link refund}. */
  async reset(key: string): Promise<number> {
    return this.#engine.runAndInvalidate(new ResetOp(this.#prefixed(key)));
  }

  /**
   * Explains the decision that a check would get. Records nothing.
   *
   * @throws {LimiterError} The server does not have the module, is unavailable, or rejects the command.
   */
  async explain(
    key: string,
    rules: RuleSource,
    { cost = 1 }: CheckOptions = {},
  ): Promise<Explanation> {
    const name = this.#prefixed(key);
    const command = checkCommand("RL.EXPLAIN", name, this.#parse(rules), validateCost(cost));
    return this.#engine.run(new ModuleOnlyOp("an explanation", name, command, parseExplanation));
  }

  /**
   * Returns the instants at which units of a key were recorded, the newest first. Throws the errors of {@link explain}.
   */
  async hits(key: string, options: HitsOptions = {}): Promise<Hit[]> {
    const name = this.#prefixed(key);
    return this.#engine.run(
      new ModuleOnlyOp("a list of hits", name, hitsCommand(name, options), parseHits),
    );
  }

  /**
   * Returns the counts of the checks that the servers have answered; in a cluster, the sums of all shards. They include
   * checks of other limiters. Throws the errors of {@link explain}.
   */
  async stats(): Promise<Stats> {
    return addStats(await this.#onEachShard(["RL.STATS"], "a list of counts", parseStats));
  }

  /**
   * Returns the keys with the most denied checks, or the most checks, in the last minutes, the heaviest first: at most
   * `count`, 10 by default. Keys without the prefix of this limiter are left out. Throws the errors of {@link explain}.
   */
  async top(by: "denied" | "checked", { count = 10 }: { count?: number } = {}): Promise<TopKey[]> {
    const command = ["RL.TOP", by.toUpperCase(), "COUNT", String(MAX_TOP)];
    const all = (await this.#onEachShard(command, "the heaviest keys", parseTop)).flat();
    return all
      .filter(({ key }) => key.startsWith(this.#prefix))
      .map(({ key, checks }) => ({ key: key.slice(this.#prefix.length), checks }))
      .sort((a, b) => b.checks - a.checks)
      .slice(0, count);
  }

  /**
   * Waits until the servers have answered, or about a second. Returns whether all did. Without it, the first check waits for
   * its timeout at most, and the fallback may decide it.
   */
  async ready(): Promise<boolean> {
    await this.#shards?.ready();
    return this.health().state === "closed";
  }

  /** Returns the state of the servers. */
  health(): Health {
    return this.#shards?.health ?? healthOf([]);
  }

  /** Ends the probes. Does not close the client. */
  close(): void {
    this.#shards?.close();
  }

  async #onEachShard<T>(
    command: Command,
    name: string,
    parseReply: (reply: Reply) => T,
  ): Promise<T[]> {
    const operation = (key: string) => new ModuleOnlyOp(name, key, command, parseReply);
    const shards = await this.#shards?.all();
    return Promise.all(
      shards
        ? shards.map((shard) => this.#engine.runOn(() => shard, operation(shard.probeKey)))
        : [this.#engine.run(operation(""))],
    );
  }

  #checkOp(key: string, rules: RuleSource, cost: number, records: boolean): CheckOp {
    return new CheckOp(this.#prefixed(key), this.#parse(rules), validateCost(cost), records);
  }

  #prefixed(key: string): string {
    return prefixedKey(this.#prefix, key);
  }

  #parse(rules: RuleSource): ParsedSource {
    return toSource(rules, this.#parseText);
  }
}

/** A time that no step of the system's clock changes. */
function monotonicNow(): number {
  return Math.floor(performance.timeOrigin + performance.now());
}
