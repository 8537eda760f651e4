use std::ops::{Deref, DerefMut};
use std::sync::MutexGuard;

use super::Limiter;
use super::shard::{Evicted, Shard};
use super::table::Hash;
use crate::{Instant, Log};

/// A shard, while no other thread has it. What it takes is told to the limiter's memory in the end.
pub(super) struct ShardGuard<'a> {
    shard: MutexGuard<'a, Shard>,
    limiter: &'a Limiter,
    /// Bytes that the shard held when it was locked.
    before: usize,
}

impl Limiter {
    /// The shard for the keys with `hash`.
    pub(super) fn lock_for(&self, hash: Hash) -> ShardGuard<'_> {
        self.lock_shard(self.shards.number(hash))
    }

    pub(super) fn lock_shard(&self, number: usize) -> ShardGuard<'_> {
        let shard = self.shards.lock(number);
        ShardGuard { before: shard.heap_bytes(), shard, limiter: self }
    }

    /// Each shard, one after the other.
    pub(super) fn lock_each(&self) -> impl Iterator<Item = ShardGuard<'_>> {
        (0..self.shards.count()).map(|number| self.lock_shard(number))
    }

    /// Keeps to the bound. No shard may be held by the caller.
    #[inline]
    pub(super) fn make_room(&self, now: Instant) {
        if self.memory.is_over() {
            self.evict_anywhere(now);
        }
    }

    /// Evicts keys of any shard, and of those after it where they are not enough.
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
    /// What `decide` makes of a key that is not there yet, which it is afterwards if it then has units.
    #[inline(never)] // Known keys are the common case, and this is long.
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

    /// Adds a key that is not there yet.
    pub(super) fn insert(&mut self, key: &[u8], hash: Hash, log: Log, now: Instant) {
        self.shard.sweep(now, &self.limiter.hasher);
        self.evict_while_over(now, Shard::growth);
        self.shard.push(key, hash, log);
    }

    /// Evicts keys while all shards together exceed the bound with what is `needed`, but no more than make up for
    /// that: what other threads take meanwhile is not for these keys to pay.
    fn evict_while_over(&mut self, now: Instant, needed: impl Fn(&Shard) -> usize) {
        let excess = |held: &Self| {
            (held.total() + needed(&held.shard)).saturating_sub(held.limiter.memory.max())
        };
        let enough = self.shard.heap_bytes().saturating_sub(excess(self));
        while excess(self) > 0 && self.shard.heap_bytes() > enough && self.shard.len() > 0 {
            if self.shard.evict(now, &self.limiter.hasher) == Evicted::Live {
                self.limiter.memory.count_evicted();
            }
        }
    }

    /// What all shards hold.
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
