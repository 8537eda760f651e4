use hashbrown::HashTable;
use hashbrown::hash_table::OccupiedEntry;

use super::key::Key;
use crate::Log;

/// The entries of one shard, found by key or by number.
///
/// Entries are numbered without gaps, so that one can be drawn at random. They are in small pages, which never move and
/// are freed when they are empty: the table grows with its entries and never doubles.
#[derive(Default)]
pub(super) struct Table {
    index: HashTable<IndexEntry>,
    /// All pages are full except for the last two, of which one may be empty.
    pages: Vec<Vec<Entry>>,
    len: usize,
}

/// A key and its log.
pub(super) struct Entry {
    pub(super) log: Log,
    pub(super) key: Key,
}

/// The hash of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Hash(u64);

struct IndexEntry {
    hash: u32,
    slot: u32,
}

/// The number of entries in a page.
const PAGE: usize = 16;
const PAGE_BYTES: usize = PAGE * size_of::<Entry>() + super::memory::ALLOCATION_OVERHEAD;

impl Hash {
    pub(super) fn new(hash: u64) -> Self {
        Self(hash)
    }

    /// Returns the half that selects the shard.
    pub(super) fn of_shard(self) -> usize {
        (self.0 >> 32) as usize
    }

    /// Returns the half that selects the bucket in the shard's index. The index stores it.
    #[expect(clippy::cast_possible_truncation, reason = "only this half is used")]
    fn within_shard(self) -> u32 {
        self.0 as u32
    }
}

/// Returns a hash for the index, which uses the lowest and the highest bits.
fn index_hash(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Returns the slot of `key`.
    #[inline]
    pub(super) fn find(&self, key: &[u8], hash: Hash) -> Option<usize> {
        let hash = hash.within_shard();
        let matches = |found: &IndexEntry| {
            found.hash == hash
                && self.get(found.slot as usize).is_some_and(|entry| entry.key.bytes() == key)
        };
        self.index.find(index_hash(hash), matches).map(|place| place.slot as usize)
    }

    #[inline]
    pub(super) fn get(&self, slot: usize) -> Option<&Entry> {
        self.pages.get(slot / PAGE)?.get(slot % PAGE)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, slot: usize) -> Option<&mut Entry> {
        self.pages.get_mut(slot / PAGE)?.get_mut(slot % PAGE)
    }

    /// Adds an entry with a new key.
    pub(super) fn push(&mut self, hash: Hash, entry: Entry) {
        let Ok(slot) = u32::try_from(self.len) else { return };
        let hash = hash.within_shard();
        self.index.insert_unique(index_hash(hash), IndexEntry { hash, slot }, |place| {
            index_hash(place.hash)
        });
        if self.len == self.pages.len() * PAGE {
            self.pages.push(Vec::with_capacity(PAGE));
        }
        if let Some(page) = self.pages.get_mut(self.len / PAGE) {
            page.push(entry);
        }
        self.len += 1;
    }

    /// Removes the entry in `slot` and moves the last entry to `slot`.
    pub(super) fn swap_remove(
        &mut self,
        slot: usize,
        hash_of: impl Fn(&[u8]) -> Hash,
    ) -> Option<Entry> {
        let hash = hash_of(self.get(slot)?.key.bytes());
        self.index_entry(hash, slot)?.remove();
        let last = self.len - 1;
        let mut entry = self.pages.get_mut(last / PAGE)?.pop()?;
        self.len = last;
        if let Some(hole) = self.get_mut(slot) {
            std::mem::swap(hole, &mut entry);
            let hash = hash_of(hole.key.bytes());
            let moved = u32::try_from(slot).ok()?;
            self.index_entry(hash, last)?.get_mut().slot = moved;
        }
        self.shrink();
        Some(entry)
    }

    /// Returns the index entry of `slot`.
    fn index_entry(&mut self, hash: Hash, slot: usize) -> Option<OccupiedEntry<'_, IndexEntry>> {
        let matches = |found: &IndexEntry| found.slot as usize == slot;
        self.index.find_entry(index_hash(hash.within_shard()), matches).ok()
    }

    /// Frees memory that far exceeds the entries' needs. A margin stays, so that the next few entries need no
    /// allocation.
    fn shrink(&mut self) {
        if self.pages.len() * PAGE >= self.len + 2 * PAGE {
            self.pages.pop();
        }
        if self.pages.capacity() > 4 * (self.pages.len() + 2) {
            self.pages.shrink_to(2 * (self.pages.len() + 2));
        }
        if self.index.capacity() > 4 * (self.len + PAGE) {
            self.index.shrink_to(2 * (self.len + PAGE), |place| index_hash(place.hash));
        }
    }

    /// Returns the bytes on the heap, without those of the entries themselves.
    pub(super) fn heap_bytes(&self) -> usize {
        self.index.allocation_size()
            + self.pages.capacity() * size_of::<Vec<Entry>>()
            + self.pages.len() * PAGE_BYTES
    }

    /// Returns the bytes by which the table may grow for another entry, or 0 if it has room.
    pub(super) fn growth(&self) -> usize {
        // If at most half of the buckets are in use and the rest are tombstones, the index rehashes in place.
        let half = self.index.num_buckets() * 7 / 16;
        let index = if self.index.capacity() > self.len || self.len < half {
            0
        } else {
            self.index.allocation_size()
        };
        let page = if self.len == self.pages.len() * PAGE { PAGE_BYTES } else { 0 };
        index + page
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Entry, Hash, PAGE, Table};
    use crate::Log;
    use crate::limiter::key::Key;

    /// Returns one of few hashes, so that keys collide.
    fn hash_of(key: &[u8]) -> Hash {
        Hash::new(u64::from(key[0] % 7) << 20 | u64::from(key[1]))
    }

    fn entry(key: &[u8]) -> Entry {
        Entry { log: Log::new(), key: Key::new(key) }
    }

    proptest! {
        #[test]
        fn every_entry_is_found_after_moves(
            events in prop::collection::vec((any::<bool>(), any::<u16>()), 1..600),
        ) {
            let mut table = Table::default();
            let mut keys: Vec<[u8; 2]> = Vec::new();
            for (add, which) in events {
                let key = which.to_le_bytes();
                if add && !keys.contains(&key) {
                    table.push(hash_of(&key), entry(&key));
                    keys.push(key);
                } else if !keys.is_empty() {
                    let slot = usize::from(which) % keys.len();
                    let removed = table.swap_remove(slot, hash_of).unwrap();
                    prop_assert_eq!(removed.key.bytes(), keys.swap_remove(slot));
                    prop_assert_eq!(table.find(removed.key.bytes(), hash_of(removed.key.bytes())), None);
                }
                prop_assert_eq!(table.len(), keys.len());
                for (slot, key) in keys.iter().enumerate() {
                    prop_assert_eq!(table.find(key, hash_of(key)), Some(slot));
                }
            }
        }
    }

    #[test]
    fn memory_grows_as_predicted_and_is_released() {
        let mut table = Table::default();
        let mut heap = table.heap_bytes();
        assert_eq!(heap, 0);
        for key in 0..20_000_u16 {
            let growth = table.growth();
            table.push(hash_of(&key.to_le_bytes()), entry(&key.to_le_bytes()));
            assert!(growth > 0 || table.heap_bytes() == heap, "{key}");
            heap = table.heap_bytes();
        }
        assert!(heap < 20_000 * (size_of::<Entry>() + 24), "{heap}");
        for left in (0..20_000).rev() {
            table.swap_remove(left / 2, hash_of).unwrap();
            assert!(table.heap_bytes() <= heap);
            heap = table.heap_bytes();
        }
        assert!(heap < 6_000, "{heap}");
        assert!(table.swap_remove(0, hash_of).is_none());
    }

    #[test]
    fn a_page_is_not_freed_and_allocated_repeatedly() {
        let mut table = Table::default();
        for key in (0..=u16::MAX).map(u16::to_le_bytes).take(PAGE + 1) {
            table.push(hash_of(&key), entry(&key));
        }
        let heap = table.heap_bytes();
        table.swap_remove(PAGE, hash_of).unwrap();
        assert_eq!((table.heap_bytes(), table.growth()), (heap, 0));
    }
}
