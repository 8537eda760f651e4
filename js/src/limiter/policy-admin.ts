import { toRules, validateName, validateOneOf } from "../arguments.ts";
import type { Rules } from "../rules.ts";
import { type Command, ruleArguments } from "./commands.ts";
import type { Engine } from "./engine.ts";
import { ModuleOnlyOp } from "./operation.ts";
import type { Reply } from "./reply.ts";
import type { Mode } from "./rule-source.ts";

/** A policy: rules under a name that operators change at run time. */
export interface Policy {
  readonly rules: Rules;
  /** `shadow`: a trial, which denies nothing and counts what it would have denied. */
  readonly mode: Mode;
}

/**
 * The policies of the server, which only the module has. In a cluster a change reaches all shards.
 *
 * Every method throws a {@link LimiterError} if the server does not have the module, is unavailable, or rejects the
 * command.
 */
export class PolicyAdmin {
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /**
   * Stores rules under a name, and replaces those that it has. Default of the mode: `enforce`.
   *
   * @throws {ParseRulesError} `rules` is a text that is not rules.
   * @throws {RangeError} The mode is neither `enforce` nor `shadow`.
   */
  async set(
    name: string,
    rules: string | Rules,
    { mode = "enforce" }: { mode?: Mode } = {},
  ): Promise<void> {
    const parsed = toRules(rules);
    const shadow =
      validateOneOf("mode", mode, ["enforce", "shadow"]) === "shadow" ? ["SHADOW"] : [];
    const command = ["RL.POLICY", "SET", name, ...shadow, ...ruleArguments(parsed)];
    await this.#run(name, command, () => undefined);
  }

  /** Returns a policy; `undefined` if there is none of this name. */
  async get(name: string): Promise<Policy | undefined> {
    return this.#run(name, ["RL.POLICY", "GET", name], (reply) => reply.policy());
  }

  /** Deletes a policy. Returns whether there was one of this name. */
  async delete(name: string): Promise<boolean> {
    return this.#run(name, ["RL.POLICY", "DEL", name], (reply) => reply.integer() === 1);
  }

  /** Returns the names of all policies, in the order of their bytes. */
  async list(): Promise<string[]> {
    return this.#run("", ["RL.POLICY", "LIST"], (reply) => reply.list().map((name) => name.text()));
  }

  /** In a cluster, the name decides which shard gets the command. */
  async #run<T>(name: string, command: Command, parse: (reply: Reply) => T): Promise<T> {
    validateName(name);
    return await this.#engine.run(new ModuleOnlyOp("a policy", name, command, parse));
  }
}
