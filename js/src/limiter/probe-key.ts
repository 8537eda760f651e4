import { hashSlot, SLOT_COUNT } from "./hash-slot.ts";

/** Enough for a key in each slot, with near certainty. */
const MAX_TRIES = 8 * SLOT_COUNT;

/**
 * Returns the key of the probe of a server: a refund that changes nothing. It has the prefix of the limiter, because the
 * user may have the right to such keys only.
 */
export function probeKey(prefix: string): string {
  return `${prefix}ratelog:probe`;
}

/**
 * Returns a key for the probe of a shard, in a slot that the shard owns; in any slot if it owns none. The script's log of
 * the key has the same slot, because of the hash tag.
 */
export function probeKeyOf(owns: (slot: number) => boolean, prefix = ""): string {
  if (prefix.includes("{")) {
    // Only one shard owns keys with the prefix, if it has a hash tag.
    const key = probeKey(prefix);
    return owns(hashSlot(key)) ? key : probeKeyOf(owns);
  }
  const tagged = (n: number) => `${probeKey(prefix)}:{${n}}`;
  for (let n = 0; n < MAX_TRIES; n++) {
    if (owns(hashSlot(tagged(n)))) {
      return tagged(n);
    }
  }
  return tagged(0);
}
