/** The number of hash slots of a cluster. */
export const SLOT_COUNT = 16_384;

const encoder = new TextEncoder();
const TABLE: Uint16Array = new Uint16Array(256).map((_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) {
    crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  }
  return crc;
});

/**
 * Returns the hash slot of a key, as `CLUSTER KEYSLOT` does: CRC-16/XMODEM modulo 16,384. Of a key with a hash tag, such
 * as `{user}:1`, only the tag counts.
 */
export function hashSlot(key: string): number {
  let crc = 0;
  for (const byte of encoder.encode(hashTag(key))) {
    crc = ((crc << 8) & 0xffff) ^ (TABLE[(crc >> 8) ^ byte] as number);
  }
  return crc % SLOT_COUNT;
}

/** Returns the text between the first `{` and the first `}` after it; the whole key if there is none. */
function hashTag(key: string): string {
  const start = key.indexOf("{") + 1;
  const end = start && key.indexOf("}", start);
  return end > start ? key.slice(start, end) : key;
}
