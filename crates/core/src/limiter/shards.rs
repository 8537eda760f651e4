use std::sync::{Mutex, MutexGuard, PoisonError};

use super::shard::Shard;
use super::table::Hash;

/// The shards, each with its own lock. Their number is a power of two.
pub(super) struct Shards {
    /// All shards except the last.
    rest: Box<[Slot]>,
    last: Slot,
}

/// A shard in its own cache lines.
#[derive(Default)]
#[repr(align(128))]
struct Slot(Mutex<Shard>);

impl Shards {
    /// Creates at most `count` shards, but at least one.
    pub(super) fn new(count: usize) -> Self {
        // `count` rounded down to a power of two, less one.
        let rest = (count + 1).next_power_of_two() / 2 - 1;
        Self {
            rest: std::iter::repeat_with(Slot::default).take(rest).collect(),
            last: Slot::default(),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.rest.len() + 1
    }

    /// Returns the bytes on the heap of empty shards.
    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.rest)
    }

    /// Returns the number of the shard for the keys with `hash`.
    pub(super) fn number(&self, hash: Hash) -> usize {
        hash.of_shard() & self.rest.len()
    }

    /// Locks the shard with this number. A poisoned lock stays usable, because no code of the caller runs under it.
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
    fn the_number_of_shards_is_a_power_of_two_and_all_are_used() {
        for (wanted, count) in [(1, 1), (2, 2), (3, 2), (4, 4), (63, 32), (64, 64)] {
            let shards = Shards::new(wanted);
            assert_eq!(shards.count(), count);
            let locked: Vec<_> = (0..count)
                .map(|number| shards.number(Hash::new((number as u64) << 32)))
                .map(|number| shards.lock(number))
                .collect();
            assert_eq!(locked.len(), count);
        }
    }

    #[test]
    fn a_shard_survives_the_panic_of_a_thread() {
        let shards = Shards::new(1);
        std::thread::scope(|scope| {
            let panics = scope.spawn(|| {
                let _guard = shards.lock(0);
                panic!("the panic of this test");
            });
            assert!(panics.join().is_err());
        });
        assert_eq!(shards.lock(0).len(), 0);
    }
}
