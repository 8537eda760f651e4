use std::ops::{Deref, DerefMut};
use std::sync::MutexGuard;

use super::Limiter;
use super::shard::{Evicted, Shard};
use super::table::Hash;
use crate::{Instant, Log};

/// A locked shard. When it is dropped, its change of size is added to the limiter's memory.
pub(super) struct ShardGuard<'a> {
    shard: MutexGuard<'a, Shard>,
    limiter: &'a Limiter,
    /// The shard's size when it was locked.
    before: usize,
}

impl Limiter {
    /// Locks the shard of the keys with `hash`.
    pub(super) fn lock_for(&self, hash: Hash) -> ShardGuard<'_> {
        self.lock_shard(self.shards.number(hash))
    }

    pub(super) fn lock_shard(&self, number: usize) -> ShardGuard<'_> {
        let shard = self.shards.lock(number);
        ShardGuard { before: shard.heap_bytes(), shard, limiter: self }
    }

    /// Locks each shard in turn.
    pub(super) fn lock_each(&self) -> impl Iterator<Item = ShardGuard<'_>> {
        (0..self.shards.count()).map(|number| self.lock_shard(number))
    }

    /// Evicts keys until the memory is within the bound. The caller must not hold a shard.
    #[inline]
    pub(super) fn make_room(&self, now: Instant) {
        if self.memory.is_over() {
            self.evict_anywhere(now);
        }
    }

    /// Evicts keys of a random shard, and of the next shards if that is not enough.
    #[cold]
    fn evict_anywhere(&self, now: Instant) {
        let count = self.shards.count();
        let first = self.hash(&self.memory.evicted().to_le_bytes()).of_shard() % count;
        for number in (first..count).chain(0..first) {
            self.lock_shard(number).evict_while_over(now, |_| 0);
            if !self.memory.is_over() {
                break;
            }
        }
    }
}

impl ShardGuard<'_> {
    /// Decides a check of a new key. Adds the key if the check recorded units.
    #[inline(never)] // Known keys are the usual case, and this function is long.
    pub(super) fn decide_new<T>(
        &mut self,
        key: &[u8],
        hash: Hash,
        now: Instant,
        decide: impl FnOnce(&mut Log) -> T,
    ) -> T {
        let mut log = Log::new();
        let decision = decide(&mut log);
        if !log.is_empty() {
            self.insert(key, hash, log, now);
        }
        decision
    }

    /// Adds a new key.
    pub(super) fn insert(&mut self, key: &[u8], hash: Hash, log: Log, now: Instant) {
        self.shard.sweep(now, &self.limiter.hasher);
        self.evict_while_over(now, Shard::growth);
        self.shard.push(key, hash, log);
    }

    /// Evicts keys while the memory of all shards plus the bytes that are `needed` exceeds the bound. Does not evict on
    /// behalf of other threads' allocations.
    fn evict_while_over(&mut self, now: Instant, needed: impl Fn(&Shard) -> usize) {
        let excess = |guard: &Self| {
            (guard.total() + needed(&guard.shard)).saturating_sub(guard.limiter.memory.max())
        };
        let target = self.shard.heap_bytes().saturating_sub(excess(self));
        while excess(self) > 0 && self.shard.heap_bytes() > target && self.shard.len() > 0 {
            if self.shard.evict(now, &self.limiter.hasher) == Evicted::Live {
                self.limiter.memory.count_evicted();
            }
        }
    }

    /// Returns the memory of all shards.
    fn total(&self) -> usize {
        self.limiter.memory.bytes() + self.shard.heap_bytes() - self.before
    }
}

impl Deref for ShardGuard<'_> {
    type Target = Shard;

    fn deref(&self) -> &Shard {
        &self.shard
    }
}

impl DerefMut for ShardGuard<'_> {
    fn deref_mut(&mut self) -> &mut Shard {
        &mut self.shard
    }
}

impl Drop for ShardGuard<'_> {
    fn drop(&mut self) {
        self.limiter.memory.replace(self.before, self.shard.heap_bytes());
    }
}
