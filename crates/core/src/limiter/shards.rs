use std::sync::{Mutex, MutexGuard, PoisonError};

use super::shard::Shard;
use super::table::Hash;

/// The shards, as many as a power of two, each behind its lock.
pub(super) struct Shards {
    /// All but the last.
    rest: Box<[Slot]>,
    last: Slot,
}

/// A shard in cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct Slot(Mutex<Shard>);

impl Shards {
    /// At most `count` shards, of which there is at least one.
    pub(super) fn new(count: usize) -> Self {
        // Half of what is rounded up: `count` rounded down to a power of two.
        let rest = (count + 1).next_power_of_two() / 2 - 1;
        Self {
            rest: std::iter::repeat_with(Slot::default).take(rest).collect(),
            last: Slot::default(),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.rest.len() + 1
    }

    /// Bytes that they hold beside themselves, while they are empty.
    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.rest)
    }

    /// The number of the shard for the keys with `hash`.
    pub(super) fn number(&self, hash: Hash) -> usize {
        hash.of_shard() & self.rest.len()
    }

    /// Locks the shard with this number. One that a thread has panicked with is used on: no code of a caller runs
    /// while it is locked.
    pub(super) fn lock(&self, number: usize) -> MutexGuard<'_, Shard> {
        let slot = self.rest.get(number).unwrap_or(&self.last);
        slot.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Shards;
    use crate::limiter::table::Hash;

    #[test]
    fn there_are_as_many_as_a_power_of_two_and_all_are_used() {
        for (wanted, count) in [(1, 1), (2, 2), (3, 2), (4, 4), (63, 32), (64, 64)] {
            let shards = Shards::new(wanted);
            assert_eq!(shards.count(), count);
            let held: Vec<_> = (0..count)
                .map(|number| shards.number(Hash::new((number as u64) << 32)))
                .map(|number| shards.lock(number))
                .collect();
            assert_eq!(held.len(), count);
        }
    }

    #[test]
    fn a_thread_that_panics_takes_no_shard_down() {
        let shards = Shards::new(1);
        std::thread::scope(|scope| {
            let panics = scope.spawn(|| {
                let _held = shards.lock(0);
                panic!("the panic of this test");
            });
            assert!(panics.join().is_err());
        });
        assert_eq!(shards.lock(0).len(), 0);
    }
}
