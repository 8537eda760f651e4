//! An in-process limiter for many keys and many threads, with bounded memory.
//!
//! It decides exactly like the server's module, for the checks of one process. Use it if you have no server, or while
//! your server is unavailable.
//!
//! ```
//! use ratelog_core::limiter::Limiter;
//! use ratelog_core::{Cost, Instant, Limit, Rule, Rules, Window};
//!
//! let minute = Window::from_millis(60_000).unwrap();
//! let rules = Rules::one(Rule::new(Limit::new(2), minute));
//! let now = Instant::from_unix_millis(1_700_000_000_000).unwrap();
//!
//! let limiter = Limiter::new(Limiter::DEFAULT_MAX_BYTES);
//! assert!(limiter.check(b"user:42", now, &rules, Cost::ONE).allowed);
//! assert!(limiter.check(b"user:42", now, &rules, Cost::ONE).allowed);
//! assert!(!limiter.check(b"user:42", now, &rules, Cost::ONE).allowed);
//! assert!(limiter.check(b"user:43", now, &rules, Cost::ONE).allowed);
//! ```
//!
//! # Memory
//!
//! A key takes about 160 bytes, plus one or two bytes for each unit beyond the first ten, plus its name if that is
//! longer than 22 bytes. As new keys arrive, the limiter soon removes keys whose units have expired.
//!
//! When the memory is full, each new key evicts one: the limiter draws a few keys at random and evicts the one that
//! would be empty soonest. The evicted units no longer count, so the key may use up its limit once more within a
//! window. [`Limiter::evicted`] counts such keys. While it is 0, every decision was exact.
//!
//! # Time complexity
//!
//! A check of a known key is one hash, one lock, one lookup and the decision on its log, which never takes time
//! proportional to its units. A new key examines a few others. The work of growing a shard's index, and of making room
//! for a log that grows, is spread over the checks that need it.
//!
//! # Clocks and threads
//!
//! Threads that read the clock and then wait for each other pass their instants out of order. So an instant up to a
//! second behind a key's newest unit is treated as that unit's instant. An instant further behind means that the clock
//! was set back, and the key's log shifts back with it.

mod key;
mod mcheck;
mod memory;
mod shard;
mod shard_guard;
mod shards;
mod table;

use std::fmt;

use ahash::RandomState;

use crate::{Cost, Decision, Instant, Log, Rules, check, peek};
use memory::Memory;
use shard::Shard;
use shards::Shards;
use table::Hash;

/// An exact in-process limiter for many keys.
pub struct Limiter {
    hasher: RandomState,
    shards: Shards,
    memory: Memory,
}

/// The maximum time in milliseconds by which an instant may be behind an earlier one without counting as a clock step.
const MAX_CLOCK_SKEW_MS: i64 = 1_000;

/// The number of bytes of the bound for each shard.
const SHARD_BYTES: usize = 1 << 20;
const MAX_SHARDS: usize = 64;

impl Limiter {
    /// The default bound: 64 MiB, for about 400,000 keys.
    pub const DEFAULT_MAX_BYTES: usize = 64 << 20;
    /// The lowest bound: 64 KiB.
    pub const MIN_BYTES: usize = 64 << 10;

    /// Creates a limiter that uses at most `max_bytes`, which is raised to [`Self::MIN_BYTES`] if it is lower. During
    /// checks, the limiter uses a few KiB more per thread.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        let max_bytes = max_bytes.max(Self::MIN_BYTES);
        let shards = Shards::new((max_bytes / SHARD_BYTES).clamp(1, MAX_SHARDS));
        Self {
            hasher: RandomState::new(),
            memory: Memory::new(max_bytes, shards.heap_bytes()),
            shards,
        }
    }

    /// Decides a check of `cost` on `key` at `now`. Records the units if the check is allowed.
    pub fn check(&self, key: &[u8], now: Instant, rules: &Rules, cost: Cost) -> Decision {
        let hash = self.hash(key);
        let mut shard = self.lock_for(hash);
        let decide = |log: &mut Log| check(log, effective_now(log, now), rules, cost);
        let slot = shard.find(key, hash);
        let known = slot.and_then(|slot| shard.log_mut(slot)).map(|mut log| decide(log.get()));
        let decision = known.unwrap_or_else(|| shard.decide_new(key, hash, now, decide));
        drop(shard);
        self.make_room(now);
        decision
    }

    /// Returns the decision that a check of `cost` on `key` at `now` would get. Records nothing.
    #[must_use]
    pub fn peek(&self, key: &[u8], now: Instant, rules: &Rules, cost: Cost) -> Decision {
        let hash = self.hash(key);
        let shard = self.lock_for(hash);
        match shard.find(key, hash).and_then(|slot| shard.log(slot)) {
            Some(log) => peek(log, effective_now(log, now), rules, cost),
            None => peek(&Log::new(), now, rules, cost),
        }
    }

    /// Removes the newest `units` of `key` at `now`, or all units if there are fewer. Returns the number of removed
    /// units.
    pub fn refund(&self, key: &[u8], now: Instant, units: u64) -> u64 {
        let hash = self.hash(key);
        let mut shard = self.lock_for(hash);
        let Some(slot) = shard.find(key, hash) else { return 0 };
        let refund = |log: &mut Log| (log.refund(effective_now(log, now), units), log.is_empty());
        let refunded = shard.log_mut(slot).map(|mut log| refund(log.get()));
        let (taken, is_empty) = refunded.unwrap_or_default();
        if is_empty {
            shard.remove(slot, &self.hasher);
        }
        taken
    }

    /// Deletes the units of `key`. Returns their number at `now`.
    pub fn reset(&self, key: &[u8], now: Instant) -> u64 {
        let hash = self.hash(key);
        let mut shard = self.lock_for(hash);
        let Some(slot) = shard.find(key, hash) else { return 0 };
        let removed = shard.log(slot).map_or(0, |log| log.at(now).units());
        shard.remove(slot, &self.hasher);
        removed
    }

    /// Removes all keys.
    pub fn clear(&self) {
        for mut shard in self.lock_each() {
            *shard = Shard::default();
        }
    }

    /// Returns the number of keys. It includes keys whose units have expired but that are not removed yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock_each().map(|shard| shard.len()).sum()
    }

    /// Returns whether there are no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the used memory in bytes: keys, logs, tables, and the approximate overhead of the allocator.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.memory.bytes()
    }

    /// Returns the bound on [`bytes`](Self::bytes).
    #[must_use]
    pub fn max_bytes(&self) -> usize {
        self.memory.max()
    }

    /// Returns the number of keys that were evicted while they had unexpired units. 0 means that every decision was
    /// exact.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.memory.evicted()
    }

    fn hash(&self, key: &[u8]) -> Hash {
        Hash::new(self.hasher.hash_one(key))
    }
}

/// Returns `now` as the log sees it (see "Clocks and threads").
#[inline]
fn effective_now(log: &Log, now: Instant) -> Instant {
    let newest = Instant::from_clock(log.effective(now));
    if newest.unix_millis() - now.unix_millis() <= MAX_CLOCK_SKEW_MS { newest } else { now }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter")
            .field("bytes", &self.bytes())
            .field("max_bytes", &self.max_bytes())
            .field("evicted", &self.evicted())
            .finish_non_exhaustive()
    }
}
