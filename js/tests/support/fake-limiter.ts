import { afterEach, beforeEach, vi } from "vitest";
import {
  type Client,
  type LimiterEvent,
  RateLimiter,
  type RateLimiterOptions,
} from "../../src/index.ts";

/** A limiter and its events. */
export function limiterOf(client: Client, options: RateLimiterOptions = {}) {
  const events: LimiterEvent[] = [];
  const limiter = new RateLimiter(client, { onEvent: (event) => events.push(event), ...options });
  return { limiter, events };
}

/** Never settles. */
export const silence = () => new Promise(() => {});
/** The error of a lost connection. */
export const lost = () => new Error("Connection is closed.");

/** Each test of the file runs with fake timers. */
export function useFakeTimers(): void {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });
}
