import { prefixedKey, toRules, validateOneOf } from "../arguments.ts";
import type { Rules } from "../rules.ts";
import { type Command, ruleArguments } from "./commands.ts";
import type { Engine } from "./engine.ts";
import { needsModule } from "./errors.ts";
import { ModuleOnlyOp } from "./operation.ts";
import type { Reply } from "./reply.ts";
import type { Shards } from "./shards.ts";

/** A rule that an operator sets on a key: checks are always allowed, always denied, or decided by other rules. */
export type Override =
  | { readonly action: "allow" | "deny" }
  | { readonly action: "limit"; readonly rules: string | Rules };

/** An override as the server has it. */
export interface KeyOverride {
  readonly action: "allow" | "deny" | "limit";
  /** The rules of `limit`. */
  readonly rules: Rules | undefined;
  /** The milliseconds until the override ends; `null` if it stays. */
  readonly ttlMs: number | null;
}

/** An override of a list, with its key. */
export interface ListedOverride extends KeyOverride {
  readonly key: string;
}

const NAME = "an override";
/** The number of overrides that one command examines. */
const PAGE = 1000;

/**
 * The overrides of keys, which only the module has.
 *
 * Every method throws a {@link LimiterError} if the server does not have the module, is unavailable, or rejects the
 * command.
 */
export class OverrideAdmin {
  readonly #engine: Engine;
  readonly #shards: Shards | undefined;
  readonly #prefix: string;

  constructor(engine: Engine, shards: Shards | undefined, prefix: string) {
    this.#engine = engine;
    this.#shards = shards;
    this.#prefix = prefix;
  }

  /**
   * Sets the override of a key, and replaces the one that it has. It ends after `ttlMs` milliseconds, or stays.
   *
   * @throws {ParseRulesError} The rules are a text that is not rules.
   * @throws {RangeError} The action is none of `allow`, `deny` and `limit`.
   */
  async set(key: string, override: Override, { ttlMs }: { ttlMs?: number } = {}): Promise<void> {
    const action = validateOneOf("action", override.action, ["allow", "deny", "limit"]);
    const rules = "rules" in override ? toRules(override.rules) : undefined;
    const end = ttlMs === undefined ? [] : ["PX", String(ttlMs)];
    const what = [action.toUpperCase(), ...(rules ? ruleArguments(rules) : [])];
    await this.#change(key, "SET", [...what, ...end], () => undefined);
  }

  /** Returns the override of a key; `undefined` if it has none. */
  async get(key: string): Promise<KeyOverride | undefined> {
    const prefixed = prefixedKey(this.#prefix, key);
    return this.#engine.run(operation(prefixed, ["RL.OVERRIDE", "GET", prefixed], parseOverride));
  }

  /** Deletes the override of a key. Returns whether it had one. */
  async delete(key: string): Promise<boolean> {
    return this.#change(key, "DEL", [], (reply) => reply.integer() === 1);
  }

  /** Iterates over the overrides of keys with the prefix of the limiter. One that changes meanwhile can come twice. */
  async *list(): AsyncGenerator<ListedOverride, void> {
    if (!this.#shards) {
      throw needsModule(NAME);
    }
    for (const shard of await this.#shards.all()) {
      let cursor = "0";
      do {
        const command = ["RL.OVERRIDE", "LIST", "CURSOR", cursor, "COUNT", String(PAGE)];
        const page = await this.#engine.runOn(
          () => shard,
          operation(shard.probeKey, command, parsePage),
        );
        for (const override of page.overrides) {
          if (override.key.startsWith(this.#prefix)) {
            yield { ...override, key: override.key.slice(this.#prefix.length) };
          }
        }
        cursor = page.cursor;
      } while (cursor !== "0");
    }
  }

  #change<T>(
    key: string,
    subcommand: string,
    rest: readonly string[],
    parse: (reply: Reply) => T,
  ): Promise<T> {
    const prefixed = prefixedKey(this.#prefix, key);
    const command = ["RL.OVERRIDE", subcommand, prefixed, ...rest];
    return this.#engine.runAndInvalidate(operation(prefixed, command, parse));
  }
}

function operation<T>(key: string, command: Command, parse: (reply: Reply) => T): ModuleOnlyOp<T> {
  return new ModuleOnlyOp(NAME, key, command, parse);
}

/** Parses the reply of `RL.OVERRIDE GET`. */
export function parseOverride(reply: Reply): KeyOverride | undefined {
  return reply.isNull ? undefined : overrideOf(reply);
}

function overrideOf(reply: Reply): KeyOverride {
  const action = reply.field("action").oneOf("allow", "deny", "limit");
  const ttlMs = reply.field("ttl_ms").integer();
  return { action, rules: reply.field("rules").rules(), ttlMs: ttlMs === -1 ? null : ttlMs };
}

function parsePage(reply: Reply): { cursor: string; overrides: ListedOverride[] } {
  const [cursor, overrides] = reply.tuple(2);
  return {
    cursor: (cursor as Reply).text(),
    overrides: (overrides as Reply)
      .list()
      .map((one) => ({ key: one.field("key").text(), ...overrideOf(one) })),
  };
}
