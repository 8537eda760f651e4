import { hashSlot, SLOT_COUNT } from "./hash-slot.ts";

/** The key of the probe of a server: a refund that changes nothing. */
export const PROBE_KEY = "ratelog:probe";
/** Enough for a key in each slot, with near certainty. */
const MAX_TRIES = 8 * SLOT_COUNT;

/**
 * Returns a key for the probe of a shard, in a slot that the shard owns; in any slot if it owns none. The script's log of
 * the key has the same slot, because of the hash tag.
 */
export function probeKey(owns: (slot: number) => boolean): string {
  for (let n = 0; n < MAX_TRIES; n++) {
    const key = tagged(n);
    if (owns(hashSlot(key))) {
      return key;
    }
  }
  return tagged(0);
}

function tagged(n: number): string {
  return `${PROBE_KEY}:{${n}}`;
}
