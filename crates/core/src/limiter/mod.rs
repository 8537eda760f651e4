//! The limiter in a process: many keys, bounded in memory, for many threads.
//!
//! It decides as the server's module does, to the millisecond, for the checks of one process: for a service that
//! has no server, or whose server is away.
//!
//! ```
//! use ratelog_core::limiter::Limiter;
//! use ratelog_core::{Cost, Instant, Limit, Rule, Rules, Window};
//!
//! let minute = Window::from_millis(60_000).unwrap();
//! let rules = Rules::one(Rule::new(Limit::new(2).unwrap(), minute));
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
//! A key takes some 160 bytes and what it holds beyond ten units or so (a few bytes each, commonly one or two)
//! and beyond 22 bytes of its own. A key whose units have expired is forgotten soon after, as others come.
//!
//! At the bound, a key has to go for each that comes: of a few drawn at random, the one that would be empty
//! soonest. Its units no longer count, so that it may use up its limit once more within a window:
//! [`Limiter::evicted`] counts how often that may have happened. While it is 0, every decision was exact.
//!
//! # Work
//!
//! A check of a known key is one hash, one lock, one look-up and the decision on its log, which is never in
//! proportion to its units. A new key looks at a few others at most; growing the index of a shard, and making room
//! for a log that grows, is spread over the checks that need it.
//!
//! # Clocks and threads
//!
//! Threads that read the clock and then wait for each other pass their instants out of order. So an instant up to
//! a second behind a key's newest unit is taken to be at it. Anything further behind is a clock that was set back:
//! the key's log shifts back with it.

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

/// Exact limits for many keys, in this process alone.
pub struct Limiter {
    hasher: RandomState,
    shards: Shards,
    memory: Memory,
}

/// Milliseconds by which an instant may be behind one that was passed before.
const MAX_CLOCK_SKEW_MS: i64 = 1_000;

/// A shard for each so many bytes of the bound.
const SHARD_BYTES: usize = 1 << 20;
const MAX_SHARDS: usize = 64;

impl Limiter {
    /// A bound for most processes: 64 MiB, for some 400,000 keys.
    pub const DEFAULT_MAX_BYTES: usize = 64 << 20;
    /// The lowest bound, 64 KiB: what is lower is taken to be this.
    pub const MIN_BYTES: usize = 64 << 10;

    /// A limiter that holds at most `max_bytes`; while checks are answered, a few KiB more for each thread.
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

    /// Decides a check of `cost` on `key` at `now`; if it is allowed, its units are recorded.
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

    /// The decision that a check of `cost` on `key` would get at `now`. Nothing is recorded.
    #[must_use]
    pub fn peek(&self, key: &[u8], now: Instant, rules: &Rules, cost: Cost) -> Decision {
        let hash = self.hash(key);
        let shard = self.lock_for(hash);
        match shard.find(key, hash).and_then(|slot| shard.log(slot)) {
            Some(log) => peek(log, effective_now(log, now), rules, cost),
            None => peek(&Log::new(), now, rules, cost),
        }
    }

    /// Takes the newest `units` of `key` back, or as many as there are at `now`. Returns the units taken back.
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

    /// Forgets the units of `key`. Returns how many there were at `now`.
    pub fn reset(&self, key: &[u8], now: Instant) -> u64 {
        let hash = self.hash(key);
        let mut shard = self.lock_for(hash);
        let Some(slot) = shard.find(key, hash) else { return 0 };
        let forgotten = shard.log(slot).map_or(0, |log| log.at(now).units());
        shard.remove(slot, &self.hasher);
        forgotten
    }

    /// Forgets all keys.
    pub fn clear(&self) {
        for mut shard in self.lock_each() {
            *shard = Shard::default();
        }
    }

    /// Keys held, also those whose units have expired but that were not looked at since.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock_each().map(|shard| shard.len()).sum()
    }

    /// Whether no keys are held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes held: keys, logs, tables, and about what the allocator takes for itself.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.memory.bytes()
    }

    /// The bound on [`bytes`](Self::bytes).
    #[must_use]
    pub fn max_bytes(&self) -> usize {
        self.memory.max()
    }

    /// How often a key was forgotten for want of memory while it had units that counted. 0 means that every
    /// decision was exact.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.memory.evicted()
    }

    fn hash(&self, key: &[u8]) -> Hash {
        Hash::new(self.hasher.hash_one(key))
    }
}

/// The clock that reads `now`, as the log is to see it.
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
