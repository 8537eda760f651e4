use std::collections::HashMap;

use super::shard::LogMut;
use super::shard_guard::ShardGuard;
use super::table::Hash;
use super::{Limiter, effective_now};
use crate::{Cost, Decision, Evaluation, Instant, Log, ResolvedRules, Rules};

impl Limiter {
    /// Checks several keys at once, each under its own rules. Units of `cost` are recorded on all keys, or on no key if
    /// any check is denied. Returns the decisions in order, each with its own `allowed`.
    ///
    /// A key that occurs twice counts twice. The check is atomic for other threads.
    ///
    /// ```
    /// use ratelog_core::limiter::Limiter;
    /// use ratelog_core::{Cost, Instant, Limit, Rule, Rules, Window};
    ///
    /// let a_minute = |limit| Rule::new(Limit::new(limit), Window::from_millis(60_000).unwrap());
    /// let [user, everyone] = [1, 1_000].map(|limit| Rules::one(a_minute(limit)));
    /// let checks = [("user:42", &user), ("everyone", &everyone)];
    /// let now = Instant::from_unix_millis(1_700_000_000_000).unwrap();
    ///
    /// let limiter = Limiter::new(Limiter::DEFAULT_MAX_BYTES);
    /// let first = limiter.mcheck(&checks, now, Cost::ONE);
    /// assert!(first[0].allowed && first[1].allowed);
    /// let second = limiter.mcheck(&checks, now, Cost::ONE);
    /// assert!(!second[0].allowed && second[1].allowed);
    /// assert_eq!(limiter.peek(b"everyone", now, &everyone, Cost::ONE).remaining, 999);
    /// ```
    pub fn mcheck<K: AsRef<[u8]>>(
        &self,
        checks: &[(K, &Rules)],
        now: Instant,
        cost: Cost,
    ) -> Vec<Decision> {
        let decisions = LockedKeys::lock(self, checks).check(checks, now, cost);
        self.make_room(now);
        decisions
    }
}

/// The keys of several checks without duplicates, locked against other threads.
struct LockedKeys<'a> {
    shards: Vec<ShardGuard<'a>>,
    keys: Vec<LockedKey<'a>>,
    /// The index in `keys` of each check's key.
    indices: Vec<usize>,
}

struct LockedKey<'a> {
    key: &'a [u8],
    hash: Hash,
    /// The index of the key's shard in `shards`.
    shard: usize,
    /// The key's slot in the shard, or `None` if the key is new.
    slot: Option<usize>,
    /// The log of a new key.
    new: Log,
    /// The units that the checks so far will record.
    pending: u64,
}

impl<'a> LockedKeys<'a> {
    fn lock<K: AsRef<[u8]>>(limiter: &'a Limiter, checks: &'a [(K, &Rules)]) -> Self {
        let hashes = checks.iter().map(|(key, _)| limiter.hash(key.as_ref()));
        let mut numbers: Vec<_> = hashes.map(|hash| limiter.shards.number(hash)).collect();
        // All threads lock in the same order, so there is no deadlock.
        numbers.sort_unstable();
        numbers.dedup();
        let mut locked_keys = Self {
            shards: numbers.iter().map(|number| limiter.lock_shard(*number)).collect(),
            keys: Vec::with_capacity(checks.len()),
            indices: Vec::with_capacity(checks.len()),
        };
        let mut known = HashMap::with_hasher(limiter.hasher.clone());
        for (key, _) in checks {
            let key = key.as_ref();
            let index = *known.entry(key).or_insert_with(|| {
                let hash = limiter.hash(key);
                let shard = numbers.partition_point(|number| *number < limiter.shards.number(hash));
                let slot = locked_keys.shards.get(shard).and_then(|shard| shard.find(key, hash));
                locked_keys.keys.push(LockedKey {
                    key,
                    hash,
                    shard,
                    slot,
                    new: Log::new(),
                    pending: 0,
                });
                locked_keys.keys.len() - 1
            });
            locked_keys.indices.push(index);
        }
        locked_keys
    }

    /// Decides each check as if the checks before it were recorded. Then records all of them or none.
    fn check<K>(mut self, checks: &[(K, &Rules)], now: Instant, cost: Cost) -> Vec<Decision> {
        let rules = checks.iter().map(|(_, rules)| *rules);
        let evaluations: Vec<Evaluation> = self.map_each(rules, |locked, log, rules| {
            let units = locked.pending + cost.units();
            let now = effective_now(log, now);
            let evaluation = ResolvedRules::from(rules).evaluate(None, log, now, units);
            if evaluation.decision.allowed {
                locked.pending = units;
            }
            evaluation
        });
        let all_allowed = evaluations.iter().all(|evaluation| evaluation.decision.allowed);
        let decisions = self.map_each(evaluations.into_iter(), |_, log, evaluation| {
            let now = effective_now(log, now);
            if let Some(window) = evaluation.record_for.filter(|_| all_allowed) {
                log.record(now, cost, window);
                evaluation.recorded_decision()
            } else {
                log.shift(now);
                evaluation.decision
            }
        });
        // Insert last, because an insertion can move or evict keys that have a slot.
        for LockedKey { key, hash, shard, new, .. } in self.keys {
            if let Some(shard) = self.shards.get_mut(shard).filter(|_| !new.is_empty()) {
                shard.insert(key, hash, new, now);
            }
        }
        decisions
    }

    /// Calls `act` for each check with the check's key, log and item of `given`.
    fn map_each<T, U>(
        &mut self,
        given: impl Iterator<Item = T>,
        mut act: impl FnMut(&mut LockedKey<'a>, &mut Log, T) -> U,
    ) -> Vec<U> {
        self.indices
            .iter()
            .zip(given)
            .filter_map(|(index, given)| {
                let locked = self.keys.get_mut(*index)?;
                let shard = self.shards.get_mut(locked.shard)?;
                let mut new = std::mem::take(&mut locked.new);
                let mut known = locked.slot.and_then(|slot| shard.log_mut(slot));
                let done = act(locked, known.as_mut().map_or(&mut new, LogMut::get), given);
                locked.new = new;
                Some(done)
            })
            .collect()
    }
}
