/** At most `limit` units in any span of `windowMs` milliseconds. */
export interface Rule {
  /** Units, an integer from 0 to 4,294,967,295. */
  readonly limit: number;
  /** Milliseconds, an integer from 1 to 316,224,000,000, which are 3,660 days. */
  readonly windowMs: number;
}

/** The highest limit. A server may have a lower bound. */
export const MAX_LIMIT = 4_294_967_295;
/** The longest window: ten years of 366 days. A server may have a lower bound. */
export const MAX_WINDOW_MS = 316_224_000_000;
/** The largest number of rules of one check. */
export const MAX_RULES = 16;

/** A unit of time: its symbol, its words, each with a plural in `s`, and its milliseconds. */
export interface Unit {
  readonly symbol: string;
  readonly words: readonly [string, ...string[]];
  readonly ms: number;
}

/** The units of windows, the longest first. */
export const UNITS: readonly Unit[] = [
  { symbol: "w", words: ["week"], ms: 604_800_000 },
  { symbol: "d", words: ["day"], ms: 86_400_000 },
  { symbol: "h", words: ["hour"], ms: 3_600_000 },
  { symbol: "m", words: ["minute", "min"], ms: 60_000 },
  { symbol: "s", words: ["second", "sec"], ms: 1000 },
  { symbol: "ms", words: ["millisecond"], ms: 1 },
];

/** Returns whether a window is in bounds. */
export function isWindow(ms: number): boolean {
  return Number.isInteger(ms) && ms >= 1 && ms <= MAX_WINDOW_MS;
}

/** Formats a rule with the longest unit that represents its window exactly: `100/minute`, `5/10s`. */
export function formatRule({ limit, windowMs }: Rule): string {
  const { symbol, words, ms } = UNITS.find((unit) => windowMs % unit.ms === 0) as Unit;
  return windowMs === ms ? `${limit}/${words[0]}` : `${limit}/${windowMs / ms}${symbol}`;
}
