import { describe, expect, test } from "vitest";
import { afterResponse, isIdempotent } from "../../src/fetch/action.ts";
import { exhaustedForMs, readRetryHint } from "../../src/fetch/retry-hint.ts";
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
  retry: {
    name: string;
    method: string;
    request_headers: Lines;
    status: number;
    response_headers: Lines;
    received_at: number;
    action: "stop" | "backoff" | { wait: number };
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
    const waitMs = hint.retryAfterMs ?? exhaustedForMs(hint);
    expect(waitMs === undefined ? null : waitMs / 1000).toBe(wait);
    expect(hint.remaining ?? null).toBe(remaining);
  });

  test.each(table.retry)("retry: $name", (row) => {
    const hint = readRetryHint(normalize(row.response_headers), row.received_at * 1000);
    const idempotent = isIdempotent(row.method, new Headers(row.request_headers));
    const action = afterResponse(row.status, hint, idempotent);
    if (row.action === "stop") {
      expect(action).toBeUndefined();
    } else if (row.action === "backoff") {
      expect(action).toEqual({ reason: "backoff", waitMs: 0 });
    } else {
      expect(action?.waitMs).toBe(row.action.wait * 1000);
    }
  });
});
