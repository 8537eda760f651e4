import type { Reply } from "./reply.ts";

/** Counts of checks. */
export interface Counts {
  /** In total. */
  readonly checks: number;
  readonly allowed: number;
  readonly denied: number;
  /** Allowed, and a shadow policy would have denied them. */
  readonly shadowDenied: number;
  /** Decided by an override. */
  readonly overridden: number;
  /** Allowed with at most a fifth of the limit remaining. */
  readonly near: number;
}

/** The counts of the checks that the servers have answered, since they started or since a reset of the counts. */
export interface Stats extends Counts {
  /** The counts of each policy, by its name. */
  readonly policies: ReadonlyMap<string, Counts>;
}

/** Parses the reply of `RL.STATS`. */
export function parseStats(reply: Reply): Stats {
  const policies = [...reply.field("policies").fields()];
  return {
    ...parseCounts(reply),
    policies: new Map(policies.map(([name, counts]) => [name, parseCounts(counts)])),
  };
}

function parseCounts(reply: Reply): Counts {
  const count = (name: string) => reply.field(name).integer();
  return {
    checks: count("checks"),
    allowed: count("allowed"),
    denied: count("denied"),
    shadowDenied: count("shadow_denied"),
    overridden: count("overridden"),
    near: count("near"),
  };
}

/** Adds the counts of several servers. */
export function addStats(all: readonly Stats[]): Stats {
  const policies = new Map<string, Counts>();
  for (const stats of all) {
    for (const [name, counts] of stats.policies) {
      const known = policies.get(name);
      policies.set(name, known ? addCounts([known, counts]) : counts);
    }
  }
  return { ...addCounts(all), policies };
}

function addCounts(all: readonly Counts[]): Counts {
  const sum = (name: keyof Counts) => all.reduce((total, counts) => total + counts[name], 0);
  return {
    checks: sum("checks"),
    allowed: sum("allowed"),
    denied: sum("denied"),
    shadowDenied: sum("shadowDenied"),
    overridden: sum("overridden"),
    near: sum("near"),
  };
}
