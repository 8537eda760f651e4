import { toRules } from "../arguments.ts";
import type { Rules } from "../rules.ts";
import type { ParsedSource, ResolvedRules } from "./rule-source.ts";

/** How long a fetched policy stays fresh. After that it is still used, and fetched again. */
const REFRESH_INTERVAL_MS = 60_000;
/** The bound on the names held. A program with more names computes them, for example from keys. */
const MAX_NAMES = 1000;

interface Fetched {
  policy: ResolvedRules | undefined;
  /** When it was fetched; `undefined` if the last fetch failed. */
  at: number | undefined;
}

/** The policies that this process knows: from its options, or fetched from the server. */
export class Policies {
  readonly #configured: Map<string, ResolvedRules> = new Map();
  readonly #fetched: Map<string, Fetched> = new Map();
  readonly #reported: Set<string> = new Set();

  /** Policies from the options take precedence over the server's, which are not fetched. */
  constructor(configured: Readonly<Record<string, string | Rules>>) {
    for (const [name, rules] of Object.entries(configured)) {
      this.#configured.set(name, { rules: toRules(rules), mode: "enforce" });
    }
  }

  /** Returns the rules to apply without the server; `undefined` for an unknown policy. */
  resolve(source: ParsedSource): ResolvedRules | undefined {
    if (!("policy" in source)) {
      return { rules: source, mode: "enforce" };
    }
    return this.#configured.get(source.policy) ?? this.#fetched.get(source.policy)?.policy;
  }

  /** Returns whether to fetch the policy: `true` once a minute. {@link store} it then, or call {@link fetchFailed}. */
  shouldFetch(name: string, now: number): boolean {
    const fetched = this.#fetched.get(name);
    const isFresh = fetched?.at !== undefined && now - fetched.at < REFRESH_INTERVAL_MS;
    if (isFresh || this.#configured.has(name)) {
      return false;
    }
    if (!fetched && this.#fetched.size >= MAX_NAMES) {
      return false;
    }
    this.#fetched.set(name, { policy: fetched?.policy, at: now });
    return true;
  }

  /** Stores a policy that the server sent; `undefined` if the server has no policy of this name. */
  store(name: string, policy: ResolvedRules | undefined, now: number): void {
    this.#fetched.set(name, { policy, at: now });
  }

  /** The policy is fetched again when it is used next. */
  fetchFailed(name: string): void {
    this.#fetched.set(name, { policy: this.#fetched.get(name)?.policy, at: undefined });
  }

  /** Returns whether to report that this policy is unknown: `true` once for each name, for at most 1,000 names. */
  shouldReport(name: string): boolean {
    if (this.#reported.size >= MAX_NAMES || this.#reported.has(name)) {
      return false;
    }
    this.#reported.add(name);
    return true;
  }
}
