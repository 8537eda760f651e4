import type { Rules } from "../rules.ts";
import type { Command } from "./commands.ts";
import type { KeyRules } from "./local.ts";
import { SHA1 } from "./script-text.ts";

/** The text that follows a key's name in the name of its log. */
const SUFFIX = ":ratelog-log";

/** Returns the name of a key's log. */
export function logOfKey(key: string): string {
  return key + SUFFIX;
}

function evalsha(keys: readonly string[], ...rest: (string | number)[]): Command {
  return ["EVALSHA", SHA1, String(keys.length), ...keys.map(logOfKey), ...rest.map(String)];
}

function scriptRuleArguments(rules: Rules): number[] {
  return [rules.list.length, ...rules.list.flatMap(({ limit, windowMs }) => [limit, windowMs])];
}

/** A check or a peek by the script. */
export function scriptCheck(
  operation: "check" | "peek",
  { key, rules }: KeyRules,
  cost: number,
): Command {
  return evalsha([key], operation, cost, ...scriptRuleArguments(rules));
}

/** A check of several keys by the script, all or nothing. */
export function scriptMultiCheck(checks: readonly KeyRules[], cost: number): Command {
  const keys = checks.map(({ key }) => key);
  return evalsha(
    keys,
    "mcheck",
    cost,
    ...checks.flatMap(({ rules }) => scriptRuleArguments(rules)),
  );
}

export function scriptRefund(key: string, cost: number): Command {
  return evalsha([key], "refund", cost);
}

export function scriptReset(key: string): Command {
  return evalsha([key], "reset");
}
