//! The overrides of this node, in the order in which they were set.
//!
//! A listing must neither look keys up nor walk all keys, so the index holds a copy of each override. It is exact: a value
//! with an override knows the number of its entry, and every way in which a value gets or loses its key changes the
//! entry. An entry is removed only by the number of the value that it describes, so a new value of a key and the release
//! of the old one may come in any order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::num::NonZeroU64;
use std::ops::Bound;
use std::sync::Arc;

use ratelog_core::{Instant, Override};

/// The location of a key on this node: its database and its name.
pub type KeyLocation = (i32, Box<[u8]>);

/// The number of an entry. Numbers are not used again.
pub type OverrideId = NonZeroU64;

/// The override of a value, and the number of its entry in the index.
#[derive(Clone, Debug)]
pub struct StoredOverride {
    /// The override.
    pub key_override: Arc<Override>,
    /// The number of its entry, or `None` if it has none. It is not part of the value.
    pub id: Option<OverrideId>,
}

/// The keys of this node that have an override.
#[derive(Debug, Default)]
pub struct OverrideIndex {
    /// The databases that have or had overrides, in the order of their first one. Two databases are swapped by swapping
    /// their numbers.
    databases: Vec<Database>,
    last_id: u64,
    /// Keys whose override has ended and was then removed, before its end was taken.
    ended: Vec<KeyLocation>,
}

/// The work after which a page ends: the steps of comparisons with a pattern, or the bytes of names.
const MAX_PAGE_WORK: usize = 1 << 19;

/// The overrides of one database.
#[derive(Debug)]
struct Database {
    number: i32,
    entries: BTreeMap<OverrideId, Entry>,
    /// The ends that were not yet taken.
    ends: BTreeSet<(Instant, OverrideId)>,
}

#[derive(Debug)]
struct Entry {
    name: Box<[u8]>,
    key_override: Arc<Override>,
}

/// A part of the index.
#[derive(Debug, PartialEq, Eq)]
pub struct OverridePage {
    /// The overrides with the locations of their keys, oldest first.
    pub overrides: Vec<(KeyLocation, Arc<Override>)>,
    /// The last override of the page, or `None` if none follows it.
    pub next: Option<OverrideId>,
}

impl Database {
    fn new(number: i32) -> Self {
        Self { number, entries: BTreeMap::new(), ends: BTreeSet::new() }
    }

    fn insert(&mut self, id: OverrideId, entry: Entry, now: Instant) {
        self.remove(id);
        // An override that has already ended was entered before, under another name or by another server.
        if let Some(until) = entry.key_override.until.filter(|until| *until > now) {
            self.ends.insert((until, id));
        }
        self.entries.insert(id, entry);
    }

    /// Removes an entry. Returns it, and whether its end was not yet taken.
    fn remove(&mut self, id: OverrideId) -> Option<(Entry, bool)> {
        let entry = self.entries.remove(&id)?;
        let is_pending =
            entry.key_override.until.is_some_and(|until| self.ends.remove(&(until, id)));
        Some((entry, is_pending))
    }
}

impl OverrideIndex {
    /// Enters the override of the key at `location` at `now`, or updates its entry. Sets the entry's number.
    pub fn put(&mut self, location: KeyLocation, stored: &mut StoredOverride, now: Instant) {
        let (number, name) = location;
        let known = stored.id.filter(|id| {
            self.take(*id).is_some_and(|(before, entry, _)| before == number && entry.name == name)
        });
        let id = known.unwrap_or_else(|| self.next_id());
        let entry = Entry { name, key_override: Arc::clone(&stored.key_override) };
        self.database(number).insert(id, entry, now);
        stored.id = Some(id);
    }

    /// Removes an entry at `now`.
    pub fn remove(&mut self, id: OverrideId, now: Instant) {
        if let Some((number, entry, is_pending)) = self.take(id)
            && is_pending
            && !entry.key_override.is_live(now)
        {
            self.ended.push((number, entry.name));
        }
    }

    /// Removes an entry at `now`, unless its key is not the one at `location`.
    pub fn remove_at(&mut self, id: OverrideId, location: (i32, &[u8]), now: Instant) {
        let is_there = |database: &Database| {
            database.number == location.0
                && database.entries.get(&id).is_some_and(|entry| *entry.name == *location.1)
        };
        if self.databases.iter().any(is_there) {
            self.remove(id, now);
        }
    }

    /// Moves the entries of one database, or of all databases if `number` is `None`, to an index of their own. Releasing
    /// many entries takes time.
    #[must_use = "the caller decides where the entries are released"]
    pub fn flush(&mut self, number: Option<i32>) -> Self {
        let flushed = self
            .databases
            .iter_mut()
            .filter(|database| number.is_none_or(|number| number == database.number))
            .map(|database| {
                let empty = Database::new(database.number);
                std::mem::replace(database, empty)
            });
        Self { databases: flushed.collect(), ..Self::default() }
    }

    /// Swaps the keys of two databases.
    pub fn swap(&mut self, one: i32, other: i32) {
        for database in &mut self.databases {
            if database.number == one {
                database.number = other;
            } else if database.number == other {
                database.number = one;
            }
        }
    }

    /// Returns the number of overrides.
    pub fn len(&self) -> usize {
        self.databases.iter().map(|database| database.entries.len()).sum()
    }

    /// Returns the overrides after `last`, at most `count`. The page ends early when the sum of `work` for their names
    /// reaches [`MAX_PAGE_WORK`], so long names do not make it slow.
    ///
    /// An override that is set during a sequence of pages comes after all earlier ones, and so does one whose key gets
    /// another name or database. A changed override keeps its place.
    pub fn page(
        &self,
        last: Option<OverrideId>,
        count: usize,
        work: impl Fn(&[u8]) -> usize,
    ) -> OverridePage {
        let start = (last.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let mut rests: Vec<_> = self
            .databases
            .iter()
            .map(|database| (database.number, database.entries.range(start).peekable()))
            .collect();
        // The number of the next entry of each database.
        let mut heads: BinaryHeap<_> = rests
            .iter_mut()
            .enumerate()
            .filter_map(|(place, (_, rest))| rest.peek().map(|(id, _)| Reverse((**id, place))))
            .collect();
        let mut page = OverridePage { overrides: Vec::new(), next: None };
        let (mut last, mut done) = (last, 0);
        while let Some(Reverse((id, place))) = heads.pop() {
            if page.overrides.len() == count || done >= MAX_PAGE_WORK {
                page.next = last;
                break;
            }
            let Some((number, rest)) = rests.get_mut(place) else { break };
            if let Some((_, entry)) = rest.next() {
                done = work(&entry.name).saturating_add(done);
                let location = (*number, entry.name.clone());
                page.overrides.push((location, Arc::clone(&entry.key_override)));
                last = Some(id);
            }
            heads.extend(rest.peek().map(|(id, _)| Reverse((**id, place))));
        }
        page
    }

    /// Returns the earliest end that was not yet taken.
    pub fn next_end(&self) -> Option<Instant> {
        if !self.ended.is_empty() {
            return Some(Instant::from_clock(0));
        }
        self.databases.iter().filter_map(|database| Some(database.ends.first()?.0)).min()
    }

    /// Takes the keys whose override has ended at `now`, at most `count`.
    pub fn take_ended(&mut self, now: Instant, count: usize) -> Vec<KeyLocation> {
        let kept = self.ended.len().saturating_sub(count);
        let mut taken = self.ended.split_off(kept);
        for database in &mut self.databases {
            while taken.len() < count
                && let Some(&(until, id)) = database.ends.first()
                && until <= now
            {
                database.ends.remove(&(until, id));
                if let Some(entry) = database.entries.get(&id) {
                    taken.push((database.number, entry.name.clone()));
                }
            }
        }
        taken
    }

    fn take(&mut self, id: OverrideId) -> Option<(i32, Entry, bool)> {
        self.databases.iter_mut().find_map(|database| {
            let (entry, is_pending) = database.remove(id)?;
            Some((database.number, entry, is_pending))
        })
    }

    fn next_id(&mut self) -> OverrideId {
        self.last_id += 1;
        NonZeroU64::new(self.last_id).unwrap_or(NonZeroU64::MAX)
    }

    fn database(&mut self, number: i32) -> &mut Database {
        let place = self.databases.iter().position(|database| database.number == number);
        let place = place.unwrap_or_else(|| {
            self.databases.push(Database::new(number));
            self.databases.len() - 1
        });
        match self.databases.get_mut(place) {
            Some(database) => database,
            None => unreachable!("the database was just found or added"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;
    use std::sync::Arc;

    use ratelog_core::{Action, Instant, Override};

    use super::{KeyLocation, OverrideId, OverrideIndex, StoredOverride};

    fn at(millis: i64) -> Instant {
        Instant::from_unix_millis(millis).unwrap()
    }

    fn location(database: i32, name: &str) -> KeyLocation {
        (database, name.as_bytes().into())
    }

    fn stored(until: Option<i64>) -> StoredOverride {
        let key_override = Override { action: Action::Deny, until: until.map(at) };
        StoredOverride { key_override: Arc::new(key_override), id: None }
    }

    /// Enters an override and returns the number of its entry.
    fn put(index: &mut OverrideIndex, database: i32, name: &str) -> OverrideId {
        let mut stored = stored(None);
        index.put(location(database, name), &mut stored, at(0));
        stored.id.unwrap()
    }

    /// Returns one page as `database name`, and the number to continue after.
    fn page(
        index: &OverrideIndex,
        last: Option<OverrideId>,
        count: usize,
    ) -> (Vec<String>, Option<OverrideId>) {
        let page = index.page(last, count, <[u8]>::len);
        let text = |((database, name), _): (KeyLocation, _)| {
            format!("{database} {}", String::from_utf8(name.into()).unwrap())
        };
        (page.overrides.into_iter().map(text).collect(), page.next)
    }

    fn all(index: &OverrideIndex) -> Vec<String> {
        page(index, None, usize::MAX).0
    }

    #[test]
    fn pages_follow_the_order_of_setting_over_all_databases() {
        let mut index = OverrideIndex::default();
        for (database, name) in [(2, "a"), (0, "b"), (2, "c"), (1, "d"), (0, "e")] {
            put(&mut index, database, name);
        }
        let expected = ["2 a", "0 b", "2 c", "1 d", "0 e"];
        assert_eq!(all(&index), expected);
        for count in 1..=6 {
            let (mut listed, mut last, mut pages) = (Vec::new(), None, 0);
            loop {
                let (part, next) = page(&index, last, count);
                assert!(part.len() <= count);
                listed.extend(part);
                pages += 1;
                last = next;
                if last.is_none() {
                    break;
                }
            }
            assert_eq!(
                (listed.as_slice(), pages),
                (&expected.map(str::to_owned)[..], 5_usize.div_ceil(count))
            );
        }
        assert_eq!(page(&index, NonZeroU64::new(99), 5), (vec![], None));
    }

    #[test]
    fn long_names_end_a_page_early() {
        let mut index = OverrideIndex::default();
        let long = "x".repeat(super::MAX_PAGE_WORK);
        for name in ["a", &long, "b", &long, &long, "c"] {
            put(&mut index, 0, name);
        }
        let (mut last, mut lengths) = (None, Vec::new());
        loop {
            let (part, next) = page(&index, last, 10);
            lengths.push(part.len());
            last = next;
            if last.is_none() {
                break;
            }
        }
        assert_eq!(lengths, [2, 2, 1, 1]);
    }

    #[test]
    fn what_stays_during_a_sequence_of_pages_is_in_it() {
        let mut index = OverrideIndex::default();
        let ids = ["a", "b", "c", "d"].map(|name| put(&mut index, 0, name));
        let (first, last) = page(&index, None, 2);
        assert_eq!(first, ["0 a", "0 b"]);
        index.remove(ids[1], at(0));
        put(&mut index, 0, "new");
        index.swap(0, 1);
        // The key of an override that was not yet listed is renamed into an earlier place.
        let mut renamed = stored(None);
        renamed.id = Some(ids[2]);
        index.put(location(0, "a"), &mut renamed, at(0));
        assert_ne!(renamed.id, Some(ids[2]));
        assert_eq!(page(&index, last, 9), (vec!["1 d".into(), "1 new".into(), "0 a".into()], None));
    }

    #[test]
    fn a_changed_override_keeps_its_place() {
        let mut index = OverrideIndex::default();
        let mut first = stored(Some(5));
        index.put(location(0, "a"), &mut first, at(0));
        put(&mut index, 0, "b");
        let id = first.id;
        first.key_override = stored(None).key_override;
        index.put(location(0, "a"), &mut first, at(0));
        assert_eq!((first.id, index.len()), (id, 2));
        assert_eq!(index.next_end(), None);
        assert_eq!(index.page(None, 1, <[u8]>::len).overrides[0].1, first.key_override);
    }

    #[test]
    fn an_entry_is_removed_only_for_its_own_value_and_key() {
        let mut index = OverrideIndex::default();
        let old = put(&mut index, 0, "k");
        // A new value of the key is entered before the old one is released.
        let new = put(&mut index, 0, "k");
        index.remove_at(old, (0, b"k"), at(0));
        assert_eq!(all(&index), ["0 k"]);
        // The value has moved to another key, and is then released from the first one.
        index.remove_at(new, (0, b"other"), at(0));
        index.remove_at(new, (1, b"k"), at(0));
        assert_eq!(all(&index), ["0 k"]);
        index.remove_at(new, (0, b"k"), at(0));
        index.remove(new, at(0));
        assert_eq!(index.len(), 0);
    }

    #[test]
    fn a_swap_and_a_flush_apply_to_whole_databases() {
        let mut index = OverrideIndex::default();
        for (database, name) in [(0, "a"), (0, "b"), (1, "a"), (2, "c")] {
            put(&mut index, database, name);
        }
        index.swap(0, 1);
        assert_eq!(all(&index), ["1 a", "1 b", "0 a", "2 c"]);
        index.swap(2, 7);
        assert_eq!(index.flush(Some(1)).len(), 2);
        assert_eq!(all(&index), ["0 a", "7 c"]);
        put(&mut index, 1, "a");
        assert_eq!(index.flush(None).len(), 3);
        assert_eq!((index.len(), index.next_end()), (0, None));
    }

    #[test]
    fn each_end_is_taken_once() {
        let mut index = OverrideIndex::default();
        let mut ids = Vec::new();
        for (name, until) in [("a", Some(30)), ("b", None), ("c", Some(10)), ("d", Some(20))] {
            let mut stored = stored(until);
            index.put(location(3, name), &mut stored, at(0));
            ids.push(stored.id.unwrap());
        }
        assert_eq!(index.next_end(), Some(at(10)));
        assert_eq!(index.take_ended(at(9), 9), []);
        assert_eq!(index.take_ended(at(10), 9), [location(3, "c")]);
        assert_eq!(index.next_end(), Some(at(20)));
        // The key expires before its end is taken: the end is not lost. An override that is removed before its end has
        // none.
        index.remove(ids[3], at(20));
        index.remove(ids[0], at(29));
        index.remove(ids[2], at(40));
        assert!(index.next_end().is_some());
        assert_eq!(index.take_ended(at(20), 9), [location(3, "d")]);
        assert_eq!((index.next_end(), index.len()), (None, 1));
    }

    #[test]
    fn ends_are_taken_in_parts() {
        let mut index = OverrideIndex::default();
        for name in ["a", "b", "c"] {
            index.put(location(0, name), &mut stored(Some(5)), at(0));
        }
        assert_eq!(index.take_ended(at(5), 2).len(), 2);
        assert_eq!(index.take_ended(at(5), 2).len(), 1);
        index.put(location(0, "copy"), &mut stored(Some(5)), at(5));
        assert_eq!((index.next_end(), index.len()), (None, 4));
    }
}
