import type { Decision } from "../decision.ts";
import { type KeyOverride, parseOverride } from "./override-admin.ts";
import type { Reply } from "./reply.ts";

/** Explains the decision of a peek. */
export interface Explanation {
  /** A decision for each rule, in order, as if it were the only one. */
  readonly rules: readonly Decision[];
  readonly decision: Decision;
  /** `shadow`: the rules deny the check, and their policy is in shadow mode. */
  readonly decidedBy: "rules" | "override" | "shadow";
  /** The index in {@link rules} of the rule that decides; `undefined` if an override allows or denies all checks. */
  readonly rule: number | undefined;
  /** The override of the key; `undefined` if it has none. */
  readonly override: KeyOverride | undefined;
}

/** Parses the reply of `RL.EXPLAIN`. */
export function parseExplanation(reply: Reply): Explanation {
  const rule = reply.field("rule");
  return {
    rules: reply
      .field("rules")
      .list()
      .map((item) => item.plainDecision()),
    decision: reply.field("decision").plainDecision(),
    decidedBy: reply.field("decided_by").oneOf("rules", "override", "shadow"),
    rule: rule.isNull ? undefined : rule.integer(),
    override: parseOverride(reply.field("override")),
  };
}
