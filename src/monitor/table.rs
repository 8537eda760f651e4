use std::cmp::Reverse;

/// A key that many checks ask about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heavy {
    /// The key's name.
    pub name: Box<[u8]>,
    /// Its checks, older ones counting less: see [`HALF_LIFE`](super::sketch::HALF_LIFE).
    pub count: u64,
}

/// The names of the keys with the greatest counts.
///
/// Counts stand in the rows; here they are copies, brought up to date when they matter. A key that is not
/// in the table has a count below the *bar*: each check adds at most one, and the check that reaches the
/// bar either finds room or raises the bar. So a key above the bar is not looked up at all, and neither is
/// one below.
pub struct Table {
    entries: Vec<Entry>,
    room: usize,
    bar: u32,
}

struct Entry {
    hash: u64,
    count: u32,
    name: Box<[u8]>,
}

impl Table {
    /// An empty table of at most `room` names, at least one.
    pub fn new(room: usize) -> Self {
        let room = room.max(1);
        Self { entries: Vec::with_capacity(room), room, bar: 1 }
    }

    /// The count at which a key may be about to enter.
    pub fn bar(&self) -> u32 {
        self.bar
    }

    /// Takes in a key whose count is at the bar, if it is not here and weighs more than the lightest.
    /// `counts` tells the count of a hash now.
    ///
    /// It must weigh more by an eighth, so that keys of like weight do not push one another out all the
    /// time.
    #[cold]
    pub fn offer(&mut self, hash: u64, name: &[u8], count: u32, counts: impl Fn(u64) -> u32) {
        if self.entries.iter().any(|entry| entry.hash == hash) {
            return;
        }
        let entry = || Entry { hash, count, name: name.into() };
        if self.entries.len() < self.room {
            self.entries.push(entry());
            return;
        }
        self.refresh(counts);
        let Some(lightest) = self.entries.iter_mut().min_by_key(|entry| entry.count) else {
            return;
        };
        let bar = lightest.count.saturating_add(lightest.count / 8).saturating_add(1);
        if count >= bar {
            *lightest = entry();
        } else {
            self.bar = bar;
        }
    }

    /// Brings the counts up to date. A key that has lost its buckets keeps what it had.
    pub fn refresh(&mut self, counts: impl Fn(u64) -> u32) {
        for entry in &mut self.entries {
            entry.count = entry.count.max(counts(entry.hash));
        }
    }

    /// Halves every count `times` times, rounding down, and drops the names of which nothing is left.
    pub fn halve(&mut self, times: u32) {
        let halved = |count: u32| count.checked_shr(times).unwrap_or(0);
        self.entries.retain_mut(|entry| {
            entry.count = halved(entry.count);
            entry.count > 0
        });
        // Keys outside had at most one less than the bar, and that is what is halved.
        self.bar = halved(self.bar - 1) + 1;
    }

    /// The `most` heaviest names and their counts as last brought up to date, heaviest first, then by name.
    pub fn top(&self, most: usize) -> Vec<Heavy> {
        let mut entries: Vec<&Entry> = self.entries.iter().collect();
        entries.sort_unstable_by_key(|entry| (Reverse(entry.count), &entry.name));
        entries
            .into_iter()
            .take(most)
            .map(|entry| Heavy { name: entry.name.clone(), count: u64::from(entry.count) })
            .collect()
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        let names: usize = self.entries.iter().map(|entry| entry.name.len()).sum();
        self.entries.capacity() * size_of::<Entry>() + names
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    /// Offers a key named by its hash as its count passes the bar; others stand still.
    fn grow(table: &mut Table, hash: u8, from: u32, to: u32) {
        for count in from + 1..=to {
            if count == table.bar() {
                table.offer(hash.into(), &[hash], count, |_| 0);
            }
        }
        table.refresh(|other| if other == u64::from(hash) { to } else { 0 });
    }

    fn names(table: &Table) -> Vec<(u8, u64)> {
        table.top(usize::MAX).iter().map(|heavy| (heavy.name[0], heavy.count)).collect()
    }

    #[test]
    fn a_key_must_be_an_eighth_heavier_than_the_lightest() {
        let mut table = Table::new(2);
        grow(&mut table, b'a', 0, 100);
        grow(&mut table, b'b', 0, 80);
        grow(&mut table, b'c', 0, 90);
        assert_eq!((names(&table), table.bar()), (vec![(b'a', 100), (b'b', 80)], 91));
        grow(&mut table, b'c', 90, 91);
        assert_eq!(names(&table), [(b'a', 100), (b'c', 91)]);
        // The one pushed out, and it alone, comes back the same way.
        grow(&mut table, b'b', 80, 102);
        assert_eq!((names(&table), table.bar()), (vec![(b'a', 100), (b'c', 91)], 103));
        grow(&mut table, b'b', 102, 103);
        assert_eq!(names(&table), [(b'b', 103), (b'a', 100)]);
    }

    #[test]
    fn a_key_here_is_not_taken_in_twice() {
        let mut table = Table::new(2);
        grow(&mut table, b'a', 0, 1);
        table.offer(b'a'.into(), b"a", 1, |_| 1);
        assert_eq!(names(&table), [(b'a', 1)]);
    }

    #[test]
    fn a_key_kept_out_finds_the_bar_above_it_after_halving() {
        let reached = |count: u32, times: u32| {
            let mut table = Table::new(1);
            grow(&mut table, b'a', 0, 15);
            grow(&mut table, b'b', 0, count);
            table.halve(times);
            let halved = count >> times;
            assert!(halved < table.bar(), "{count}, {times}: {}", table.bar());
            grow(&mut table, b'b', halved, 40);
            names(&table)
        };
        for count in 0..=16 {
            for times in [1, 2, 3, 4, 5, 31] {
                assert_eq!(reached(count, times), [(b'b', 40)], "{count}, {times}");
            }
        }
    }

    #[test]
    fn a_bar_at_the_end_of_the_range_stays_there() {
        let mut table = Table::new(1);
        table.offer(1, b"a", 1, |_| 0);
        table.offer(2, b"b", 1, |_| u32::MAX);
        assert_eq!(table.bar(), u32::MAX);
        table.offer(2, b"b", u32::MAX, |_| u32::MAX);
        assert_eq!(names(&table), [(b'b', u64::from(u32::MAX))]);
        table.halve(1);
        assert_eq!(table.bar(), 1 << 31);
    }
}
