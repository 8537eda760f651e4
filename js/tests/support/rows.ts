import type { Decision } from "../../src/index.ts";

/** A decision as the tables have it: -1 is never. */
export type Row = [
  allowed: number,
  limit: number,
  remaining: number,
  retryAfterMs: number,
  resetAfterMs: number,
  windowMs: number,
];

export function toRow(decision: Decision): Row {
  const { allowed, limit, remaining, retryAfterMs, resetAfterMs, windowMs } = decision;
  return [Number(allowed), limit, remaining, retryAfterMs ?? -1, resetAfterMs, windowMs];
}

export function fromRow(row: Row): Decision {
  const [allowed, limit, remaining, retryAfterMs, resetAfterMs, windowMs] = row;
  return {
    allowed: allowed === 1,
    limit,
    remaining,
    retryAfterMs: retryAfterMs === -1 ? null : retryAfterMs,
    resetAfterMs,
    windowMs,
  };
}
