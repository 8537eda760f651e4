import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  type Backend,
  type Fallback,
  type LimiterDecision,
  RateLimiter,
  type RateLimiterOptions,
  type RuleSource,
} from "../src/index.ts";
import { toRow } from "./support/rows.ts";
import { type TableAnswer, TableClient } from "./support/table-client.ts";
import { readTable } from "./support/tables.ts";

interface Arguments {
  key: string;
  rules?: string;
  policy?: string;
  cost?: number;
}
interface Step {
  at: number;
  probe?: TableAnswer;
  check?: Arguments;
  peek?: Arguments;
  mcheck?: { cost: number; checks: Arguments[] };
  refund?: Arguments;
  reset?: Arguments;
  del_override?: Arguments;
  server?: Record<string, TableAnswer | TableAnswer[]>;
  decision?: number[];
  decisions?: number[][];
  source?: string;
  sources?: string[];
  count?: number;
  raises?: string;
  state: "closed" | "open";
  events: string[];
}
interface Settings {
  url?: "memory://";
  fallback?: Fallback;
  failure_threshold?: number;
  probe_max_interval?: number;
  deny_cache?: number;
  instances?: number;
  backend?: Backend;
  policies?: Record<string, string>;
}
interface Case {
  name: string;
  settings: Settings;
  steps: Step[];
}

const START = 1_700_000_000_000;
const TIMEOUT_MS = 100;
const { cases } = readTable<{ cases: Case[] }>("limiter_cases.json");

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function optionsOf(settings: Settings): RateLimiterOptions {
  return {
    timeoutMs: TIMEOUT_MS,
    probeMinIntervalMs: 1,
    probeMaxIntervalMs: settings.probe_max_interval ?? 50,
    fallback: settings.fallback ?? "local",
    failureThreshold: settings.failure_threshold ?? 5,
    denyCache: settings.deny_cache ?? 0,
    instances: settings.instances ?? 1,
    backend: settings.backend ?? "auto",
    policies: settings.policies ?? {},
  };
}

/** A case in progress. */
class RunningCase {
  readonly server = new TableClient();
  readonly limiter: RateLimiter;
  readonly #events: string[] = [];
  #now = START;

  constructor(settings: Settings, library: "nodeRedis" | "ioredis", firstProbe?: TableAnswer) {
    if (firstProbe) {
      this.server.probeAnswer = firstProbe;
    }
    this.limiter = new RateLimiter(settings.url ?? this.server[library], {
      ...optionsOf(settings),
      now: () => this.#now,
      onEvent: ({ name }) => this.#events.push(name),
    });
  }

  async run(step: Step, isFirst: boolean): Promise<void> {
    this.#now = START + step.at;
    if (step.probe) {
      await this.#probe(step.probe, isFirst);
    } else {
      await this.#operate(step);
    }
    // Half-open is open: when probes begin and end is not the table's.
    const isClosed = this.limiter.health().state === "closed";
    expect(isClosed ? "closed" : "open", `state at ${step.at}`).toBe(step.state);
    // Reported at most once in ten seconds.
    const events = this.#events.splice(0).filter((name) => name !== "unanswered");
    expect(events, `events at ${step.at}`).toEqual(step.events);
  }

  async #probe(answer: TableAnswer, isFirst: boolean): Promise<void> {
    const before = isFirst ? 0 : this.server.probes;
    this.server.probeAnswer = answer;
    for (let turn = 0; turn < 1000 && this.server.probes === before; turn++) {
      await vi.advanceTimersByTimeAsync(1);
    }
    await vi.advanceTimersByTimeAsync(0);
    expect(this.server.probes).toBeGreaterThan(before);
    this.server.probeAnswer = { fails: "connection-lost" };
  }

  async #operate(step: Step): Promise<void> {
    const answers = Object.entries(step.server ?? {});
    for (const [command, answer] of answers) {
      this.server.expect(command, answer);
    }
    const operation = this.#start(step);
    const timesOut = JSON.stringify(answers).includes('"timeout"');
    if (timesOut) {
      operation.catch(() => {});
      await vi.advanceTimersByTimeAsync(TIMEOUT_MS);
    }
    if (step.raises) {
      await expect(operation, `at ${step.at}`).rejects.toThrow(step.raises);
    } else {
      expect(await operation, `at ${step.at}`).toEqual(expectedOf(step));
    }
    // A policy is fetched after the check, and only if the module decided it.
    await vi.advanceTimersByTimeAsync(0);
    const left = this.server.takeLeft();
    expect(step.source === "module" ? left : left.filter((name) => name !== "RL.POLICY")).toEqual(
      [],
    );
    expect(this.server.unexpected).toEqual([]);
  }

  async #start(step: Step): Promise<unknown> {
    const { limiter } = this;
    const { check, peek, mcheck, refund, reset, del_override } = step;
    if (mcheck) {
      const checks = mcheck.checks.map((one) => ({ key: one.key, rules: sourceOf(one) }));
      return outcomeOf(await limiter.checkAll(checks, { cost: mcheck.cost }));
    }
    const given = (check ?? peek ?? refund ?? reset ?? del_override) as Arguments;
    const { key, cost = 1 } = given;
    if (check || peek) {
      const operation = check ? "check" : "peek";
      return outcomeOf([await limiter[operation](key, sourceOf(given), { cost })]);
    }
    if (refund || reset) {
      return refund ? limiter.refund(key, { cost }) : limiter.reset(key);
    }
    return Number(await limiter.overrides.delete(key));
  }
}

function sourceOf({ rules, policy }: Arguments): RuleSource {
  return policy === undefined ? (rules as string) : { policy };
}

function outcomeOf(decisions: readonly LimiterDecision[]): unknown {
  return { rows: decisions.map(toRow), sources: decisions.map(({ source }) => source) };
}

function expectedOf({ decision, decisions, source, sources, count }: Step): unknown {
  const rows = decisions ?? (decision && [decision]);
  return rows ? { rows, sources: sources ?? rows.map(() => source) } : count;
}

describe.each(["nodeRedis", "ioredis"] as const)("the shared table of limiters, %s", (library) => {
  test.each(cases)("$name", async ({ settings, steps }) => {
    const running = new RunningCase(settings, library, steps[0]?.probe);
    for (const [index, step] of steps.entries()) {
      await running.run(step, index === 0);
    }
    running.limiter.close();
  });
});

test("the table has cases", () => {
  expect(cases.length).toBeGreaterThan(40);
});
