import type { Command } from "./commands.ts";
import type { Reply } from "./reply.ts";

/** Units that were recorded at one instant. */
export interface Hit {
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly units: number;
}

/** Options of `hits`. */
export interface HitsOptions {
  /** The maximum number of instants, at most 10,000. Default: 1,000. */
  readonly count?: number;
  /** Only instants before this one, in milliseconds since the Unix epoch. */
  readonly before?: number;
  /** Only instants after this one, in milliseconds since the Unix epoch. */
  readonly after?: number;
}

/** A key, and the estimated number of its checks. */
export interface TopKey {
  readonly key: string;
  readonly checks: number;
}

/** `RL.HITS`. */
export function hitsCommand(key: string, { count, before, after }: HitsOptions): Command {
  const options = Object.entries({ COUNT: count, BEFORE: before, AFTER: after });
  const given = options.filter(([, value]) => value !== undefined);
  return ["RL.HITS", key, ...given.flatMap(([name, value]) => [name, String(value)])];
}

/** Parses the reply of `RL.HITS`. */
export function parseHits(reply: Reply): Hit[] {
  return reply.list().map((pair) => {
    const [at, units] = pair.tuple(2).map((item) => item.integer()) as [number, number];
    return { at, units };
  });
}

/** Parses the reply of `RL.TOP`. */
export function parseTop(reply: Reply): TopKey[] {
  return reply.list().map((pair) => {
    const [key, checks] = pair.tuple(2) as [Reply, Reply];
    return { key: key.text(), checks: checks.integer() };
  });
}
