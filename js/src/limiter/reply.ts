import type { Decision } from "../decision.ts";
import type { Rule } from "../rule.ts";
import { Rules } from "../rules.ts";
import { invalidReply } from "./errors.ts";
import type { LimiterDecision } from "./limiter-decision.ts";
import type { ResolvedRules } from "./rule-source.ts";

type Six = [number, number, number, number, number, number];

/**
 * A server's reply, in any form that a library gives it. Integers may be numbers, big integers or texts; maps may be
 * `Map`s, objects, lists of `{key, value}`, or flat lists of names and values.
 */
export class Reply {
  readonly #command: string;
  readonly #value: unknown;

  constructor(command: string, value: unknown) {
    this.#command = command;
    this.#value = value;
  }

  get isNull(): boolean {
    return this.#value === null || this.#value === undefined;
  }

  integer(): number {
    const value = this.#value;
    const number = typeof value === "number" ? value : Number(this.#asText());
    return Number.isSafeInteger(number) ? number : this.#fail("is not an integer");
  }

  text(): string {
    return this.#asText() ?? this.#fail("is not a text");
  }

  list(): Reply[] {
    if (!Array.isArray(this.#value)) {
      return this.#fail("is not a list");
    }
    return this.#value.map((item) => this.#of(item));
  }

  /** A list of exactly `size` items. */
  tuple(size: number): Reply[] {
    const items = this.list();
    return items.length === size ? items : this.#fail(`does not have ${size} items`);
  }

  /** One of several texts. */
  oneOf<T extends string>(...texts: readonly T[]): T {
    const text = this.text();
    return texts.find((one) => one === text) ?? this.#fail(`is none of ${texts.join(", ")}`);
  }

  /** The fields of a map, by name. */
  fields(): Map<string, Reply> {
    return new Map(
      this.#entries().map(([name, value]) => [this.#of(name).text(), this.#of(value)]),
    );
  }

  /** A field of a map. */
  field(name: string): Reply {
    return this.fields().get(name) ?? this.#fail(`has no ${name}`);
  }

  /** A decision, and what made it. */
  decision(source: "module" | "script"): LimiterDecision {
    const [allowed, limit, remaining, retryAfter, resetAfterMs, windowMs] =
      this.#decisionIntegers();
    const retryAfterMs = retryAfter === -1 ? null : retryAfter;
    return {
      allowed: allowed === 1,
      limit,
      remaining,
      retryAfterMs,
      resetAfterMs,
      windowMs,
      source,
    };
  }

  /** A decision: six integers. */
  plainDecision(): Decision {
    const { source: _, ...decision } = this.decision("module");
    return decision;
  }

  #decisionIntegers(): Six {
    // Without an object for each, because each check has a decision.
    const items = Array.isArray(this.#value) ? this.#value : this.list();
    const integers = items.every(Number.isSafeInteger)
      ? (items as number[])
      : items.map((item) => this.#of(item).integer());
    if (integers.length !== 6) {
      this.#fail(`has ${integers.length} items: a decision has six integers`);
    }
    const [allowed, limit, remaining, retryAfter, resetAfterMs, windowMs] = integers as Six;
    const least = Math.min(limit, remaining, resetAfterMs, windowMs);
    if ((allowed !== 0 && allowed !== 1) || least < 0 || retryAfter < -1) {
      this.#fail(`has integers out of range: ${integers.join(" ")}`);
    }
    return integers as Six;
  }

  /** Rules: pairs of a limit and a window in milliseconds. `undefined` if there are none. */
  rules(): Rules | undefined {
    const rules = this.list().map((pair): Rule => {
      const [limit, windowMs] = pair.tuple(2).map((item) => item.integer()) as [number, number];
      return { limit, windowMs };
    });
    try {
      return rules.length ? Rules.of(...rules) : undefined;
    } catch (error) {
      return this.#fail(`has wrong rules: ${(error as Error).message}`);
    }
  }

  /** A policy; `undefined` if the reply is null. */
  policy(): ResolvedRules | undefined {
    if (this.isNull) {
      return undefined;
    }
    const mode = this.field("mode").oneOf("enforce", "shadow");
    const rules = this.field("rules").rules();
    return rules ? { rules, mode } : this.#fail("has no rules");
  }

  #entries(): (readonly [unknown, unknown])[] {
    const value = this.#value;
    if (value instanceof Map) {
      return [...value];
    }
    if (!Array.isArray(value)) {
      return value !== null && typeof value === "object"
        ? Object.entries(value)
        : this.#fail("is not a map");
    }
    if (value.every(isPair)) {
      return value.map(({ key, value: field }) => [key, field] as const);
    }
    return Array.from({ length: value.length >> 1 }, (_, n) => [value[2 * n], value[2 * n + 1]]);
  }

  #asText(): string | undefined {
    const value = this.#value;
    if (typeof value === "string" || typeof value === "bigint") {
      return String(value);
    }
    return value instanceof Uint8Array ? new TextDecoder().decode(value) : undefined;
  }

  #of(value: unknown): Reply {
    return new Reply(this.#command, value);
  }

  #fail(reason: string): never {
    throw invalidReply(this.#command, `it ${reason}`);
  }
}

function isPair(item: unknown): item is { key: unknown; value: unknown } {
  return item !== null && typeof item === "object" && "key" in item && "value" in item;
}
