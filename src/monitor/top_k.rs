use std::cmp::Reverse;

use super::shown_name::shown_name;

/// A heavily used key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeavyKey<'a> {
    /// The hash of the key's whole name.
    pub hash: u64,
    /// The key's name. A long one is shortened (see [`shown_name`]).
    pub name: &'a [u8],
    /// The number of the key's checks. Older checks count less (see [`HALF_LIFE`](super::sketch::HALF_LIFE)).
    pub count: u64,
}

/// Returns the `most` keys with the greatest counts, heaviest first, then by name.
pub fn heaviest<'a>(
    keys: impl IntoIterator<Item = HeavyKey<'a>>,
    most: usize,
) -> Vec<HeavyKey<'a>> {
    let mut keys: Vec<_> = keys.into_iter().collect();
    let order = |key: &HeavyKey<'a>| (Reverse(key.count), key.name);
    if let Some(last) = most.checked_sub(1).filter(|last| *last < keys.len()) {
        keys.select_nth_unstable_by_key(last, order);
    }
    keys.truncate(most);
    keys.sort_unstable_by_key(order);
    keys
}

/// The names of the keys with the greatest counts.
///
/// The counts are copies of those in [`HeavyKeeper`](super::heavy_keeper::HeavyKeeper), refreshed when necessary. A key
/// that is not in the table has a count below the admission *threshold*: each check adds at most one, and the check
/// that reaches the threshold either adds the key or raises the threshold. So a check looks a key up only if its count
/// equals the threshold.
pub struct TopK {
    entries: Vec<Entry>,
    capacity: usize,
    threshold: u32,
}

struct Entry {
    hash: u64,
    count: u32,
    name: Box<[u8]>,
}

impl TopK {
    /// Creates an empty table for `capacity` names, but at least one.
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self { entries: Vec::with_capacity(capacity), capacity, threshold: 1 }
    }

    /// Returns the count at which a key is offered.
    pub fn threshold(&self) -> u32 {
        self.threshold
    }

    /// Adds a key whose count equals the threshold, unless the table has the key or the key is not heavier than the
    /// lightest one. `counts` returns the current count of a hash.
    ///
    /// The key must be heavier by an eighth, so that keys of similar weight do not replace each other all the time.
    #[cold]
    pub fn offer(&mut self, hash: u64, name: &[u8], count: u32, counts: impl Fn(u64) -> u32) {
        if self.entries.iter().any(|entry| entry.hash == hash) {
            return;
        }
        let entry = || Entry { hash, count, name: shown_name(name, hash) };
        if self.entries.len() < self.capacity {
            self.entries.push(entry());
            return;
        }
        self.refresh(counts);
        let Some(lightest) = self.entries.iter_mut().min_by_key(|entry| entry.count) else {
            return;
        };
        let threshold = lightest.count.saturating_add(lightest.count / 8).saturating_add(1);
        if count >= threshold {
            *lightest = entry();
        } else {
            self.threshold = threshold;
        }
    }

    /// Refreshes the counts. A key that has lost its buckets retains its count.
    pub fn refresh(&mut self, counts: impl Fn(u64) -> u32) {
        for entry in &mut self.entries {
            entry.count = entry.count.max(counts(entry.hash));
        }
    }

    /// Halves every count `times` times, rounding down, and removes the names whose count reaches zero.
    pub fn halve(&mut self, times: u32) {
        let halved = |count: u32| count.checked_shr(times).unwrap_or(0);
        self.entries.retain_mut(|entry| {
            entry.count = halved(entry.count);
            entry.count > 0
        });
        // A key outside the table has a count below the threshold. Its halved count must stay below the new threshold.
        self.threshold = halved(self.threshold - 1) + 1;
    }

    /// Returns the keys with their last refreshed counts, in no order.
    pub fn keys(&self) -> impl Iterator<Item = HeavyKey<'_>> {
        self.entries.iter().map(|entry| HeavyKey {
            hash: entry.hash,
            name: &entry.name,
            count: entry.count.into(),
        })
    }

    /// Returns the bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        let names: usize = self.entries.iter().map(|entry| entry.name.len()).sum();
        self.entries.capacity() * size_of::<Entry>() + names
    }
}

#[cfg(test)]
mod tests {
    use super::{TopK, heaviest};

    /// Raises a key's count, and offers the key when it reaches the threshold. Other counts stay unchanged.
    fn grow(top_k: &mut TopK, hash: u8, from: u32, to: u32) {
        for count in from + 1..=to {
            if count == top_k.threshold() {
                top_k.offer(hash.into(), &[hash], count, |_| 0);
            }
        }
        top_k.refresh(|other| if other == u64::from(hash) { to } else { 0 });
    }

    fn names(top_k: &TopK) -> Vec<(u8, u64)> {
        heaviest(top_k.keys(), usize::MAX)
            .iter()
            .map(|heavy| (heavy.name[0], heavy.count))
            .collect()
    }

    #[test]
    fn a_key_must_be_an_eighth_heavier_than_the_lightest() {
        let mut top_k = TopK::new(2);
        grow(&mut top_k, b'a', 0, 100);
        grow(&mut top_k, b'b', 0, 80);
        grow(&mut top_k, b'c', 0, 90);
        assert_eq!((names(&top_k), top_k.threshold()), (vec![(b'a', 100), (b'b', 80)], 91));
        grow(&mut top_k, b'c', 90, 91);
        assert_eq!(names(&top_k), [(b'a', 100), (b'c', 91)]);
        // The replaced key returns in the same way.
        grow(&mut top_k, b'b', 80, 102);
        assert_eq!((names(&top_k), top_k.threshold()), (vec![(b'a', 100), (b'c', 91)], 103));
        grow(&mut top_k, b'b', 102, 103);
        assert_eq!(names(&top_k), [(b'b', 103), (b'a', 100)]);
    }

    #[test]
    fn a_known_key_is_not_added_twice() {
        let mut top_k = TopK::new(2);
        grow(&mut top_k, b'a', 0, 1);
        top_k.offer(b'a'.into(), b"a", 1, |_| 1);
        assert_eq!(names(&top_k), [(b'a', 1)]);
    }

    #[test]
    fn a_rejected_key_is_below_the_threshold_after_halving() {
        let reached = |count: u32, times: u32| {
            let mut top_k = TopK::new(1);
            grow(&mut top_k, b'a', 0, 15);
            grow(&mut top_k, b'b', 0, count);
            top_k.halve(times);
            let halved = count >> times;
            assert!(halved < top_k.threshold(), "{count}, {times}: {}", top_k.threshold());
            grow(&mut top_k, b'b', halved, 40);
            names(&top_k)
        };
        for count in 0..=16 {
            for times in [1, 2, 3, 4, 5, 31] {
                assert_eq!(reached(count, times), [(b'b', 40)], "{count}, {times}");
            }
        }
    }

    #[test]
    fn the_threshold_saturates() {
        let mut top_k = TopK::new(1);
        top_k.offer(1, b"a", 1, |_| 0);
        top_k.offer(2, b"b", 1, |_| u32::MAX);
        assert_eq!(top_k.threshold(), u32::MAX);
        top_k.offer(2, b"b", u32::MAX, |_| u32::MAX);
        assert_eq!(names(&top_k), [(b'b', u64::from(u32::MAX))]);
        top_k.halve(1);
        assert_eq!(top_k.threshold(), 1 << 31);
    }
}
