import { describe, expect, test } from "vitest";
import { readRetryHint } from "../../src/fetch/retry-hint.ts";
import { readTable } from "../support/tables.ts";

type Lines = [string, string][];

interface Table {
  read: {
    name: string;
    headers: Lines;
    received_at: number;
    wait: number | null;
    remaining: number | null;
  }[];
}

const table = readTable<Table>("http_cases.json");

/** Names and values as `Headers` has them, but with one pair for each line. */
function normalize(lines: Lines): Lines {
  return lines.map(([name, value]) => [name.toLowerCase(), value.replace(/^[\t ]+|[\t ]+$/g, "")]);
}

describe("the shared table of HTTP headers", () => {
  test.each(table.read)("read: $name", ({ headers, received_at, wait, remaining }) => {
    const hint = readRetryHint(normalize(headers), received_at * 1000);
    const waitMs = hint.retryAfterMs ?? hint.exhaustedForMs;
    expect(waitMs === undefined ? null : waitMs / 1000).toBe(wait);
    expect(hint.remaining ?? null).toBe(remaining);
  });
});
