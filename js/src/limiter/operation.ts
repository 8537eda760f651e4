import type { Source } from "../limiter.ts";
import type { Command } from "./commands.ts";
import { checkCommand, multiCheckCommand, refundCommand, resetCommand } from "./commands.ts";
import { LimiterError, needsModule } from "./errors.ts";
import { failureKind } from "./failure-kind.ts";
import { type FixedOutcome, fallbackDecision } from "./fallback-decision.ts";
import { applyMode, type LimiterDecision } from "./limiter-decision.ts";
import type { KeyRules, Local } from "./local.ts";
import type { Policies } from "./policies.ts";
import type { Reply } from "./reply.ts";
import { type ParsedSource, policyOf, type ResolvedRules } from "./rule-source.ts";
import { scriptCheck, scriptMultiCheck, scriptRefund, scriptReset } from "./script.ts";

/** Runs a command of the script. */
export type RunScript = (command: Command) => Promise<Reply>;

/** An operation, in four ways: as a command of the module, with the script, in this process, and with a fixed outcome. */
export interface Operation<T> {
  /** The key that decides which shard of a cluster runs the operation. */
  readonly key: string;
  /** The number of checks; 0 if the operation is not a check. */
  readonly checks: number;
  /** Whether the caller sends a command for each key if the slot of the keys is moving. */
  readonly canBeSplit?: boolean;
  /** True if only the module has the operation. */
  readonly needsModule?: boolean;
  command(): Command;
  parse(reply: Reply): T;
  viaScript(run: RunScript, policies: Policies): Promise<T>;
  /** @throws {UnknownPolicies | LimiterError} The operation needs something that is not in this process. */
  local(local: Local, policies: Policies): T;
  /** Like `local`, but allows checks under unknown policies. */
  localAllowingUnknown?(local: Local, policies: Policies): T;
  fixed?(outcome: FixedOutcome, policies: Policies): T;
}

/** The error of an operation under policies that this process does not know. */
export class UnknownPolicies extends LimiterError {
  readonly names: readonly string[];

  constructor(names: readonly string[]) {
    const texts = names.map((name) => `no policy named '${name}' is known in this process`);
    super("no-policy", texts.join("; "));
    this.names = names;
  }
}

/** A check that records its units, or a peek. */
export class CheckOp implements Operation<LimiterDecision> {
  readonly checks = 1;
  readonly key: string;
  readonly source: ParsedSource;
  readonly cost: number;
  readonly records: boolean;

  constructor(key: string, source: ParsedSource, cost: number, records: boolean) {
    this.key = key;
    this.source = source;
    this.cost = cost;
    this.records = records;
  }

  command(): Command {
    return checkCommand(this.records ? "RL.CHECK" : "RL.PEEK", this.key, this.source, this.cost);
  }

  parse(reply: Reply): LimiterDecision {
    return reply.decision("module");
  }

  async viaScript(run: RunScript, policies: Policies): Promise<LimiterDecision> {
    const { rules, mode } = this.#resolve(policies);
    const operation = this.records ? "check" : "peek";
    const reply = await run(scriptCheck(operation, { key: this.key, rules }, this.cost));
    return applyMode(mode, reply.decision("script"));
  }

  local(local: Local, policies: Policies): LimiterDecision {
    const { rules, mode } = this.#resolve(policies);
    const decision = this.records
      ? local.check(this.key, rules, this.cost)
      : local.peek(this.key, rules, this.cost);
    return applyMode(mode, decision);
  }

  localAllowingUnknown(_: Local, policies: Policies): LimiterDecision {
    return this.fixed("allow", policies);
  }

  fixed(outcome: FixedOutcome, policies: Policies): LimiterDecision {
    return fallbackDecision(outcome, policies.resolve(this.source)?.rules, this.cost);
  }

  #resolve(policies: Policies): ResolvedRules {
    const resolved = policies.resolve(this.source);
    if (!resolved) {
      throw new UnknownPolicies([policyOf(this.source) as string]);
    }
    return resolved;
  }
}

/** A key and its rules or policy. */
export interface KeySource {
  readonly key: string;
  readonly source: ParsedSource;
}

type Resolved = KeyRules & ResolvedRules;

/** A check of several keys, all or nothing. The rules of each key are one rule or a policy. */
export class MultiCheckOp implements Operation<LimiterDecision[]> {
  readonly canBeSplit = true;
  readonly list: readonly KeySource[];
  readonly cost: number;

  /** There is at least one key. */
  constructor(list: readonly KeySource[], cost: number) {
    this.list = list;
    this.cost = cost;
  }

  get key(): string {
    return (this.list[0] as KeySource).key;
  }

  get checks(): number {
    return this.list.length;
  }

  command(): Command {
    return multiCheckCommand(this.list, this.cost);
  }

  parse(reply: Reply): LimiterDecision[] {
    return reply.tuple(this.list.length).map((item) => item.decision("module"));
  }

  async viaScript(run: RunScript, policies: Policies): Promise<LimiterDecision[]> {
    const resolved = this.#resolveAll(policies);
    const enforced = resolved.filter(({ mode }) => mode === "enforce");
    const replies = enforced.length
      ? (await run(scriptMultiCheck(enforced, this.cost))).tuple(enforced.length)
      : [];
    const decisions = replies.map((reply) => reply.decision("script"));
    const operation = decisions.every(({ allowed }) => allowed) ? "check" : "peek";
    const shadow: LimiterDecision[] = [];
    for (const key of resolved.filter(({ mode }) => mode === "shadow")) {
      try {
        shadow.push((await run(scriptCheck(operation, key, this.cost))).decision("script"));
      } catch (error) {
        if (failureKind(error as Error)) {
          throw error;
        }
        // The server rejects it, after the others were recorded.
        shadow.push(fallbackDecision("allow", key.rules, this.cost));
      }
    }
    return merge(resolved, decisions, shadow);
  }

  local(local: Local, policies: Policies): LimiterDecision[] {
    return this.#checkLocally(this.#resolveAll(policies), local);
  }

  localAllowingUnknown(local: Local, policies: Policies): LimiterDecision[] {
    const resolved = this.list.map((one) => this.#resolve(one, policies));
    const decisions = this.#checkLocally(
      resolved.filter((one) => one !== undefined),
      local,
    );
    return resolved.map((one) =>
      one
        ? (decisions.shift() as LimiterDecision)
        : fallbackDecision("allow", undefined, this.cost),
    );
  }

  fixed(outcome: FixedOutcome, policies: Policies): LimiterDecision[] {
    return this.list.map(({ source }) =>
      fallbackDecision(outcome, policies.resolve(source)?.rules, this.cost),
    );
  }

  /** Shadow policies are checked after the others, so that they prevent nothing. */
  #checkLocally(resolved: readonly Resolved[], local: Local): LimiterDecision[] {
    const enforced = resolved.filter(({ mode }) => mode === "enforce");
    const decisions = local.checkAll(enforced, this.cost);
    const records = decisions.every(({ allowed }) => allowed);
    const shadow = resolved
      .filter(({ mode }) => mode === "shadow")
      .map(({ key, rules }) =>
        records ? local.check(key, rules, this.cost) : local.peek(key, rules, this.cost),
      );
    return merge(resolved, decisions, shadow);
  }

  #resolveAll(policies: Policies): Resolved[] {
    const resolved = this.list.map((one) => this.#resolve(one, policies));
    const unknown = this.list.filter((_, index) => !resolved[index]);
    if (unknown.length) {
      throw new UnknownPolicies(unknown.map(({ source }) => policyOf(source) as string));
    }
    return resolved as Resolved[];
  }

  #resolve({ key, source }: KeySource, policies: Policies): Resolved | undefined {
    const resolved = policies.resolve(source);
    return resolved && { key, ...resolved };
  }
}

/** Merges the decisions on enforced and on shadow keys, in the order of the keys. */
function merge(
  resolved: readonly Resolved[],
  enforced: LimiterDecision[],
  shadow: LimiterDecision[],
): LimiterDecision[] {
  return resolved.map(({ mode }) =>
    applyMode(mode, (mode === "enforce" ? enforced : shadow).shift() as LimiterDecision),
  );
}

/** Takes units back. */
export class RefundOp implements Operation<number> {
  readonly checks = 0;
  readonly key: string;
  readonly cost: number;
  /** Where the units are; `undefined` for where a check would be decided now. */
  readonly source: Source | undefined;

  constructor(key: string, cost: number, source: Source | undefined) {
    this.key = key;
    this.cost = cost;
    this.source = source;
  }

  command(): Command {
    return refundCommand(this.key, this.cost);
  }

  parse(reply: Reply): number {
    return reply.integer();
  }

  async viaScript(run: RunScript): Promise<number> {
    // A server that has lost the module has lost its units, too.
    return this.source === "module" ? 0 : (await run(scriptRefund(this.key, this.cost))).integer();
  }

  local(local: Local): number {
    return local.refund(this.key, this.cost);
  }
}

/** Forgets the units of a key. */
export class ResetOp implements Operation<number> {
  readonly checks = 0;
  readonly key: string;

  constructor(key: string) {
    this.key = key;
  }

  command(): Command {
    return resetCommand(this.key);
  }

  parse(reply: Reply): number {
    return reply.integer();
  }

  async viaScript(run: RunScript): Promise<number> {
    return (await run(scriptReset(this.key))).integer();
  }

  local(local: Local): number {
    return local.reset(this.key);
  }
}

/** An operation that only the module has. */
export class ModuleOnlyOp<T> implements Operation<T> {
  readonly checks = 0;
  readonly needsModule = true;
  readonly key: string;
  readonly #name: string;
  readonly #command: Command;
  readonly #parse: (reply: Reply) => T;

  /** `name` is for the error: "an override". */
  constructor(name: string, key: string, command: Command, parse: (reply: Reply) => T) {
    this.key = key;
    this.#name = name;
    this.#command = command;
    this.#parse = parse;
  }

  command(): Command {
    return this.#command;
  }

  parse(reply: Reply): T {
    return this.#parse(reply);
  }

  async viaScript(): Promise<never> {
    throw needsModule(this.#name);
  }

  local(): never {
    throw needsModule(this.#name);
  }
}
