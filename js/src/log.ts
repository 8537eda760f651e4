/** The number of entries that a log has room for at first. */
const INITIAL_ENTRIES = 4;
/** The approximate memory of a log without its entries: the object, its numbers, and the header of the array. */
const LOG_BYTES = 320;
/** The memory of an entry: two numbers. */
const ENTRY_BYTES = 16;

/**
 * The sliding-window log of one key: the recorded units with their instants, retained for the longest window among the
 * recorded checks. Instants are milliseconds since the Unix epoch, and units and milliseconds are integers.
 *
 * Units of the same millisecond are one entry. An entry has its instant and the number of units before it, so the usage
 * of a window follows from the position of its first entry, which is found by a binary search.
 */
export class Log {
  /** For each entry, the instant less the offset, and the units before it. */
  #entries: Float64Array = new Float64Array(2 * INITIAL_ENTRIES);
  /** The first entry that is not removed. */
  #first = 0;
  /** The end of the entries. */
  #end = 0;
  /** The units before the end. */
  #units = 0;
  #retentionMs = 0;
  /** The sum of all shifts, which is added to each instant. */
  #offset = 0;

  /** Whether the log has no units, not even expired ones. */
  get isEmpty(): boolean {
    return this.#first === this.#end;
  }

  /** The approximate memory in bytes. */
  get bytes(): number {
    return LOG_BYTES + (this.#entries.length / 2) * ENTRY_BYTES;
  }

  /** Returns whether all units have expired by `now`. */
  isExpired(now: number): boolean {
    return this.isEmpty || now - this.#retentionMs >= this.#instant(this.#end - 1);
  }

  /** Returns the position of the first entry in the window that ends at `now`. */
  windowStart(now: number, windowMs: number): number {
    if (this.isEmpty) {
      return this.#end;
    }
    return this.#seek(this.#effective(now) - Math.min(windowMs, this.#retentionMs));
  }

  /** Returns the units of the entries from a position on. */
  unitsFrom(position: number): number {
    return position === this.#end ? 0 : this.#units - this.#before(position);
  }

  /** Returns the milliseconds until the window that ends at `now` is empty, if nothing else is recorded. */
  resetAfter(now: number, windowMs: number): number {
    if (this.isEmpty) {
      return 0;
    }
    const span = Math.min(windowMs, this.#retentionMs);
    return Math.max(0, this.#instant(this.#end - 1) + span - this.#effective(now));
  }

  /** Returns the milliseconds until `units` of the window that starts at `position` have left it. */
  timeUntilGone(now: number, windowMs: number, position: number, units: number): number {
    const last = this.#entryOf(this.#before(position) + units - 1, position);
    return this.#instant(last) + Math.min(windowMs, this.#retentionMs) - this.#effective(now);
  }

  /** Records units at `now` for a check whose longest window is `windowMs`. */
  record(now: number, units: number, windowMs: number): void {
    this.shift(now);
    this.#dropExpired(now);
    this.#retentionMs = Math.max(this.#retentionMs, windowMs);
    if (this.isEmpty || now > this.#instant(this.#end - 1)) {
      this.#append(now);
    }
    this.#units += units;
  }

  /** Shifts the whole log back if the clock is behind the newest unit, which is then at `now`. Gaps do not change. */
  shift(now: number): void {
    if (!this.isEmpty) {
      this.#offset -= Math.max(0, this.#instant(this.#end - 1) - now);
    }
  }

  /** Removes the newest `units`, or all units at `now` if there are fewer. Returns the number of removed units. */
  refund(now: number, units: number): number {
    this.shift(now);
    this.#dropExpired(now);
    const recorded = this.unitsFrom(this.#first);
    if (units >= recorded) {
      this.#clear();
      return recorded;
    }
    this.#units -= units;
    this.#end = this.#entryOf(this.#units - 1, this.#first) + 1;
    return units;
  }

  /** Returns `now`, or the newest instant if the clock is behind it. The log must not be empty. */
  #effective(now: number): number {
    return Math.max(now, this.#instant(this.#end - 1));
  }

  #dropExpired(now: number): void {
    if (this.isExpired(now)) {
      this.#clear();
    } else {
      this.#first = this.#seek(now - this.#retentionMs);
    }
  }

  #clear(): void {
    this.#first = this.#end = this.#units = this.#retentionMs = this.#offset = 0;
    if (this.#entries.length > 2 * INITIAL_ENTRIES) {
      this.#entries = new Float64Array(2 * INITIAL_ENTRIES);
    }
  }

  #append(now: number): void {
    if (2 * this.#end === this.#entries.length) {
      this.#makeRoom();
    }
    this.#entries[2 * this.#end] = now - this.#offset;
    this.#entries[2 * this.#end + 1] = this.#units;
    this.#end++;
  }

  /**
   * Moves the entries to the front, and counts units from the first one. Doubles the room if over half of it is used,
   * and halves it if less than an eighth is.
   */
  #makeRoom(): void {
    const [old, first, count] = [this.#entries, this.#first, this.#end - this.#first];
    const base = this.#before(first);
    if (4 * count > old.length) {
      this.#entries = new Float64Array(2 * old.length);
    } else if (16 * count < old.length) {
      this.#entries = new Float64Array(old.length / 2);
    }
    this.#entries.set(old.subarray(2 * first, 2 * this.#end));
    for (let entry = 0; entry < count; entry++) {
      this.#entries[2 * entry + 1] = this.#before(entry) - base;
    }
    this.#first = 0;
    this.#end = count;
    this.#units -= base;
  }

  /** Returns the first entry after `boundary`, or the end. */
  #seek(boundary: number): number {
    let [low, high] = [this.#first, this.#end];
    // Usually nothing has left the window.
    if (this.#instant(low) > boundary) {
      return low;
    }
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#instant(middle) > boundary) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low;
  }

  /** Returns the entry, at or after `low`, of the unit with `index` units before it. */
  #entryOf(index: number, low: number): number {
    let high = this.#end;
    while (low + 1 < high) {
      const middle = (low + high) >>> 1;
      if (this.#before(middle) <= index) {
        low = middle;
      } else {
        high = middle;
      }
    }
    return low;
  }

  #instant(entry: number): number {
    return (this.#entries[2 * entry] as number) + this.#offset;
  }

  #before(entry: number): number {
    return this.#entries[2 * entry + 1] as number;
  }
}
