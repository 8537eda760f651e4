import { isRecorded, unrecorded } from "../recorded.ts";
import type { DenyCache } from "./deny-cache.ts";
import { LimiterError, unavailable } from "./errors.ts";
import type { LimiterEvent } from "./events.ts";
import { failureKind } from "./failure-kind.ts";
import { fallbackDecision } from "./fallback-decision.ts";
import type { LimiterDecision } from "./limiter-decision.ts";
import type { Local } from "./local.ts";
import {
  CheckOp,
  type KeySource,
  MultiCheckOp,
  type Operation,
  RefundOp,
  UnknownPolicies,
} from "./operation.ts";
import type { Policies } from "./policies.ts";
import { policyOf } from "./rule-source.ts";
import { NoAnswer, type Shard, SlotMoving } from "./shard.ts";
import type { Shards } from "./shards.ts";

/**
 * How checks are decided while the server is unavailable: `local`, by this process; `allow` and `deny`, all alike;
 * `error`, by an exception.
 */
export type Fallback = "local" | "allow" | "deny" | "error";

/** The parts of a limiter. */
export interface EngineParts {
  /** `undefined` without a server. */
  readonly shards: Shards | undefined;
  readonly local: Local;
  readonly policies: Policies;
  readonly fallback: Fallback;
  readonly denyCache: DenyCache | undefined;
  readonly timeoutMs: number;
  /** The wait that a denial by the fallback reports: the longest wait between two probes, before jitter. */
  readonly retryAfterMs: number;
  readonly report: (event: LimiterEvent) => void;
  readonly now: () => number;
}

/** Routes the operations of a limiter: to the deny cache, the server, this process or the fallback. */
export class Engine {
  readonly #parts: EngineParts;

  constructor(parts: EngineParts) {
    this.#parts = parts;
  }

  /** Decides a check. */
  check(operation: CheckOp): Promise<LimiterDecision> {
    const { denyCache } = this.#parts;
    return denyCache ? this.#checkCached(operation, denyCache) : this.decide(operation);
  }

  async #checkCached(operation: CheckOp, denyCache: DenyCache): Promise<LimiterDecision> {
    const { now } = this.#parts;
    const denied = denyCache.get(operation, now());
    if (denied) {
      return denied;
    }
    const version = denyCache.version(operation.key, now());
    const decision = await this.decide(operation);
    denyCache.insert(operation, decision, version, now());
    return decision;
  }

  /** Decides a check or a peek without the deny cache. */
  decide(operation: CheckOp): Promise<LimiterDecision> {
    const decision = this.run(operation);
    return policyOf(operation.source) === undefined
      ? decision
      : this.#thenLearn(operation, decision);
  }

  async #thenLearn(
    operation: CheckOp,
    decision: Promise<LimiterDecision>,
  ): Promise<LimiterDecision> {
    this.#learnPolicy(operation, await decision);
    return decision;
  }

  /**
   * Decides checks of several keys: all are recorded, or none. With one command, if each has one rule or a policy, and, in
   * a cluster, the keys have one slot.
   */
  async checkAll(list: readonly KeySource[], cost: number): Promise<LimiterDecision[]> {
    const [first, second] = list;
    if (first && !second) {
      return [await this.check(new CheckOp(first.key, first.source, cost, true))];
    }
    if (this.#isOneCommand(list)) {
      try {
        const decisions = await this.run(new MultiCheckOp(list, cost));
        list.forEach((one, index) => {
          this.#learnPolicy(one, decisions[index] as LimiterDecision);
        });
        return decisions;
      } catch (error) {
        if (!(error instanceof SlotMoving)) {
          throw error;
        }
      }
    }
    return this.#checkSeparately(list, cost);
  }

  #isOneCommand(list: readonly KeySource[]): boolean {
    const { shards } = this.#parts;
    if (!shards) {
      return true;
    }
    const haveOneRule = list.every(({ source }) => "policy" in source || source.list.length === 1);
    return haveOneRule && shards.haveOneSlot(list.map(({ key }) => key));
  }

  /** Runs an operation after which a denied check may be allowed. */
  async runAndInvalidate<T>(operation: Operation<T>): Promise<T> {
    try {
      return await this.run(operation);
    } finally {
      // Even after an error: the server may have run the operation.
      this.#parts.denyCache?.invalidate(operation.key);
    }
  }

  run<T>(operation: Operation<T>): Promise<T> {
    const { shards, timeoutMs } = this.#parts;
    if (!shards) {
      return this.#runLocally(operation);
    }
    const shard = shards.ofKey(operation.key);
    return shard.started
      ? this.runOn(() => shards.ofKey(operation.key), operation)
      : this.#runWithin(timeoutMs, shard, operation);
  }

  async #runLocally<T>(operation: Operation<T>): Promise<T> {
    return operation.local(this.#parts.local, this.#parts.policies);
  }

  /** Runs an operation on a shard, which may be another one once the first has started. */
  async runOn<T>(shardOf: () => Shard, operation: Operation<T>): Promise<T> {
    const { shard, leftMs } = await this.#started(shardOf);
    return this.#runWithin(leftMs, shard, operation);
  }

  /** Waits until a shard has started, and returns what is left of the timeout of checks. */
  async #started(shardOf: () => Shard): Promise<{ shard: Shard; leftMs: number }> {
    const { timeoutMs } = this.#parts;
    let shard = shardOf();
    const end = performance.now() + timeoutMs;
    let leftMs = timeoutMs;
    while (shard.started && leftMs > 0) {
      await shard.started;
      shard = shardOf();
      leftMs = end - performance.now();
    }
    return { shard, leftMs };
  }

  #runWithin<T>(leftMs: number, shard: Shard, operation: Operation<T>): Promise<T> {
    if (!shard.isAvailable || leftMs <= 0) {
      return this.#runUnavailable(operation, shard);
    }
    return this.#send(leftMs, shard, operation).catch((error) => {
      if (!(error instanceof NoAnswer)) {
        throw error;
      }
      const result = this.#fallBack(operation, error.message, error.cause);
      shard.recordUnanswered(operation.checks, error.message);
      return result;
    });
  }

  #send<T>(leftMs: number, shard: Shard, operation: Operation<T>): Promise<T> {
    const { shards, policies } = this.#parts;
    const owner = (shards as Shards).ownerOf(operation.key);
    const viaScript = owner.usesScript;
    if (viaScript) {
      owner.askForModule();
    }
    return shard.run(operation, { policies, timeoutMs: leftMs, viaScript });
  }

  async #runUnavailable<T>(operation: Operation<T>, { lastError }: Shard): Promise<T> {
    return this.#fallBack(operation, lastError);
  }

  #fallBack<T>(operation: Operation<T>, reason: string, cause?: unknown): T {
    const { local, policies, fallback, retryAfterMs } = this.#parts;
    if (fallback === "local") {
      try {
        return operation.local(local, policies);
      } catch (error) {
        if (!(error instanceof UnknownPolicies)) {
          // It needs the module.
          throw unavailable(reason, cause);
        }
        this.#reportUnknown(error.names);
        return (operation as Required<Operation<T>>).localAllowingUnknown(local, policies);
      }
    }
    if (fallback === "error" || !operation.fixed) {
      throw unavailable(reason, cause);
    }
    return operation.fixed(fallback === "allow" ? "allow" : { retryAfterMs }, policies);
  }

  #reportUnknown(names: readonly string[]): void {
    for (const policy of names) {
      if (this.#parts.policies.shouldReport(policy)) {
        this.#parts.report({ name: "unknown_policy", policy });
      }
    }
  }

  /** Fetches the policy of a check that the module has decided: the fallback will need its rules. */
  #learnPolicy({ key, source }: KeySource, decision: LimiterDecision): void {
    const { shards, policies, fallback, now } = this.#parts;
    const name = policyOf(source);
    const isNeeded = decision.source === "module" && fallback === "local";
    if (name === undefined || !isNeeded || !policies.shouldFetch(name, now())) {
      return;
    }
    // If the server rejects it, it will do so next time too: the user may lack the permission.
    (shards as Shards)
      .ofKey(key)
      .fetch(["RL.POLICY", "GET", name], key)
      .then(
        (reply) => policies.store(name, reply.policy(), now()),
        (error) => failureKind(error) && policies.fetchFailed(name),
      )
      .catch(() => {});
  }

  /** Sends a command for each check. If one is denied or fails, takes back the units that the others recorded. */
  async #checkSeparately(list: readonly KeySource[], cost: number): Promise<LimiterDecision[]> {
    const results = await Promise.allSettled(
      list.map(async ({ key, source }) => {
        const operation = new CheckOp(key, source, cost, true);
        try {
          return await this.decide(operation);
        } catch (error) {
          const allowed = this.#allowedByShadow(operation, error as Error);
          if (!allowed) {
            throw error;
          }
          return allowed;
        }
      }),
    );
    const decisions = results.map((result) =>
      result.status === "fulfilled" ? result.value : undefined,
    );
    if (decisions.every((decision) => decision?.allowed)) {
      return decisions as LimiterDecision[];
    }
    await Promise.all(
      list.map(async ({ key }, index) => {
        const decision = decisions[index];
        if (decision && isRecorded(decision)) {
          // If it fails, the units stay for their window: the limit is never exceeded.
          await this.takeBack(new RefundOp(key, cost, decision.source)).catch(() => {});
        }
      }),
    );
    const failed = results.find((result) => result.status === "rejected");
    if (failed) {
      throw failed.reason;
    }
    return (decisions as LimiterDecision[]).map((decision) =>
      isRecorded(decision) ? unrecorded(decision, cost) : decision,
    );
  }

  /** With the script, a shadow policy allows one of several checks that the server rejects: it prevents nothing. */
  #allowedByShadow({ key, source, cost }: CheckOp, error: Error): LimiterDecision | undefined {
    const { shards, policies } = this.#parts;
    const resolved = policies.resolve(source);
    const isRejected = error instanceof LimiterError && error.code === "rejected";
    return isRejected && resolved?.mode === "shadow" && shards?.ownerOf(key).usesScript
      ? fallbackDecision("allow", resolved.rules, cost)
      : undefined;
  }

  /** Takes back units that a check recorded, where it was decided. The fallback of a server did not record them. */
  async takeBack(operation: RefundOp): Promise<number> {
    const { shards, local, policies, denyCache } = this.#parts;
    const { source } = operation;
    if (source === "fallback" || source === "deny-cache") {
      return 0;
    }
    if (source === "local" || !shards) {
      return operation.local(local);
    }
    try {
      // The module and the script have a log each.
      const viaScript = source === "script";
      const { shard, leftMs } = await this.#started(() =>
        viaScript ? shards.ofLog(operation.key) : shards.ownerOf(operation.key),
      );
      if (!shard.isAvailable || leftMs <= 0) {
        throw unavailable(shard.lastError);
      }
      return viaScript || !shard.usesScript
        ? await shard.run(operation, { policies, timeoutMs: leftMs, viaScript })
        : 0;
    } catch (error) {
      throw error instanceof NoAnswer ? unavailable(error.message, error.cause) : error;
    } finally {
      denyCache?.invalidate(operation.key);
    }
  }
}
