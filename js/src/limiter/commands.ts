import type { Rules } from "../rules.ts";
import type { ParsedSource } from "./rule-source.ts";

/** A command of the server, with its arguments. */
export type Command = readonly string[];

/** The arguments of rules that were sent before. */
const known: WeakMap<Rules, readonly string[]> = new WeakMap();

/** The limits and windows of rules, as commands take them. */
export function ruleArguments(rules: Rules): readonly string[] {
  let args = known.get(rules);
  if (!args) {
    args = rules.list.flatMap(({ limit, windowMs }) => [String(limit), `${windowMs}ms`]);
    known.set(rules, args);
  }
  return args;
}

function sourceArguments(source: ParsedSource): readonly string[] {
  return "policy" in source ? ["POLICY", source.policy] : ruleArguments(source);
}

function costArguments(cost: number): string[] {
  return cost === 1 ? [] : ["COST", String(cost)];
}

/** `RL.CHECK`, `RL.PEEK` or `RL.EXPLAIN`. */
export function checkCommand(
  name: "RL.CHECK" | "RL.PEEK" | "RL.EXPLAIN",
  key: string,
  source: ParsedSource,
  cost: number,
): Command {
  return [name, key, ...sourceArguments(source), ...costArguments(cost)];
}

/** `RL.MCHECK`. The rules of each key must be one rule or a policy. */
export function multiCheckCommand(
  checks: readonly { readonly key: string; readonly source: ParsedSource }[],
  cost: number,
): Command {
  const keys = checks.flatMap(({ key, source }) => [key, ...sourceArguments(source)]);
  return ["RL.MCHECK", String(cost), ...keys];
}

export function refundCommand(key: string, cost: number): Command {
  return ["RL.REFUND", key, ...costArguments(cost)];
}

export function resetCommand(key: string): Command {
  return ["RL.RESET", key];
}
