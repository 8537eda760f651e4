use ahash::RandomState;

use super::key::Key;
use super::memory::{key_bytes, log_bytes};
use super::table::{Entry, Hash, Table};
use crate::{Instant, Log};

/// A part of the keys and the memory that they use.
#[derive(Default)]
pub(super) struct Shard {
    table: Table,
    /// The bytes on the heap of the table and its entries.
    heap_bytes: usize,
    /// The slot that is swept next.
    cursor: usize,
    /// The count of drawn numbers.
    draws: u64,
}

/// A mutable log. When it is dropped, its change of size is added to its shard.
pub(super) struct LogMut<'a> {
    log: &'a mut Log,
    /// The log's size when it was borrowed.
    before: usize,
    heap_bytes: &'a mut usize,
}

/// The kind of an evicted key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evicted {
    /// The key's units had expired.
    Expired,
    /// The key had unexpired units.
    Live,
}

/// The number of entries that are swept for each new key.
const SWEEP_ENTRIES: usize = 2;
/// The number of entries that are drawn for each eviction.
const EVICTION_SAMPLES: usize = 8;

impl Shard {
    /// Returns the bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.heap_bytes
    }

    /// Returns the bytes by which the table may grow for a new key.
    pub(super) fn growth(&self) -> usize {
        self.table.growth()
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    #[inline]
    pub(super) fn find(&self, key: &[u8], hash: Hash) -> Option<usize> {
        self.table.find(key, hash)
    }

    /// Returns the log in `slot`.
    pub(super) fn log(&self, slot: usize) -> Option<&Log> {
        self.table.get(slot).map(|entry| &entry.log)
    }

    /// Returns the log in `slot` for changes.
    #[inline]
    pub(super) fn log_mut(&mut self, slot: usize) -> Option<LogMut<'_>> {
        let log = &mut self.table.get_mut(slot)?.log;
        Some(LogMut { before: log_bytes(log), log, heap_bytes: &mut self.heap_bytes })
    }

    /// Adds a new key.
    pub(super) fn push(&mut self, key: &[u8], hash: Hash, log: Log) {
        let entry = Entry { log, key: Key::new(key) };
        let bytes = key_bytes(&entry.key) + log_bytes(&entry.log);
        let before = self.table.heap_bytes();
        self.table.push(hash, entry);
        self.heap_bytes = self.heap_bytes + self.table.heap_bytes() + bytes - before;
    }

    pub(super) fn remove(&mut self, slot: usize, hasher: &RandomState) {
        let hash_of = |key: &[u8]| Hash::new(hasher.hash_one(key));
        let before = self.table.heap_bytes();
        if let Some(entry) = self.table.swap_remove(slot, hash_of) {
            let bytes = key_bytes(&entry.key) + log_bytes(&entry.log);
            self.heap_bytes = self.heap_bytes + self.table.heap_bytes() - before - bytes;
        }
    }

    /// Examines the next entries and removes those that have expired.
    pub(super) fn sweep(&mut self, now: Instant, hasher: &RandomState) {
        for _ in 0..SWEEP_ENTRIES {
            if self.cursor >= self.len() {
                self.cursor = 0;
            }
            if self.time_to_live(self.cursor, now) > 0 {
                self.cursor += 1;
            } else {
                self.remove(self.cursor, hasher);
            }
        }
    }

    /// Draws a few entries at random and removes the one that would be empty soonest.
    pub(super) fn evict(&mut self, now: Instant, hasher: &RandomState) -> Evicted {
        let drawn: [usize; EVICTION_SAMPLES] = std::array::from_fn(|_| self.draw(hasher));
        let candidates = drawn.map(|slot| (self.time_to_live(slot, now), slot));
        let (time_to_live, slot) = candidates.into_iter().min().unwrap_or_default();
        self.remove(slot, hasher);
        if time_to_live > 0 { Evicted::Live } else { Evicted::Expired }
    }

    /// Draws a random slot.
    fn draw(&mut self, hasher: &RandomState) -> usize {
        self.draws = self.draws.wrapping_add(1);
        let random = hasher.hash_one(self.draws) >> 32;
        // The product is less than the length, because the random number is a fraction of 2^32.
        ((random * self.len() as u64) >> 32) as usize
    }

    /// Returns the milliseconds until the entry in `slot` is empty, or 0 if it is empty.
    fn time_to_live(&self, slot: usize, now: Instant) -> u64 {
        let Some(log) = self.log(slot) else { return 0 };
        let expires_at = log.expires_at().unwrap_or_default();
        let time_to_live = u64::try_from(expires_at - now.unix_millis()).unwrap_or_default();
        // After a clock step back, units last at most their retention from now.
        time_to_live.min(log.retention())
    }
}

impl LogMut<'_> {
    #[inline]
    pub(super) fn get(&mut self) -> &mut Log {
        self.log
    }
}

impl Drop for LogMut<'_> {
    fn drop(&mut self) {
        *self.heap_bytes = *self.heap_bytes + log_bytes(self.log) - self.before;
    }
}
