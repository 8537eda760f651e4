//! The limiter in this process.

use std::num::NonZeroU32;
use std::time::{Instant as Monotonic, SystemTime};

use ratelog_core::limiter::Limiter;
use ratelog_core::{Cost, Instant, Rules};

use super::policies::Terms;
use crate::{Decision, Source};

pub(super) struct Local {
    limiter: Limiter,
    clock: Clock,
    instances: NonZeroU32,
}

impl Local {
    pub(super) fn new(max_bytes: usize, instances: NonZeroU32) -> Self {
        Self { limiter: Limiter::new(max_bytes), clock: Clock::start(), instances }
    }

    pub(super) fn check(&self, key: &[u8], terms: &Terms<'_>, cost: Cost) -> Decision {
        let check = |rules: &_| self.limiter.check(key, self.clock.now(), rules, cost);
        Decision::new(self.by_share(&terms.rules, check), Source::Local).under(terms.mode)
    }

    pub(super) fn peek(&self, key: &[u8], terms: &Terms<'_>, cost: Cost) -> Decision {
        let peek = |rules: &_| self.limiter.peek(key, self.clock.now(), rules, cost);
        Decision::new(self.by_share(&terms.rules, peek), Source::Local).under(terms.mode)
    }

    /// All or nothing, by the rules of each key; their modes are left to the caller.
    pub(super) fn check_all(&self, keys: &[(&[u8], &Rules)], cost: Cost) -> Vec<Decision> {
        let share = |rules: &Rules| self.by_share(rules, Rules::clone);
        let keys: Vec<_> = keys.iter().map(|(key, rules)| (*key, share(rules))).collect();
        let keys: Vec<_> = keys.iter().map(|(key, rules)| (*key, rules)).collect();
        let decided = self.limiter.mcheck(&keys, self.clock.now(), cost);
        decided.into_iter().map(|decided| Decision::new(decided, Source::Local)).collect()
    }

    pub(super) fn refund(&self, key: &[u8], cost: Cost) -> u64 {
        self.limiter.refund(key, self.clock.now(), cost.units())
    }

    pub(super) fn reset(&self, key: &[u8]) -> u64 {
        self.limiter.reset(key, self.clock.now())
    }

    /// What `decide` makes of this process's share of the rules.
    fn by_share<T>(&self, rules: &Rules, decide: impl FnOnce(&Rules) -> T) -> T {
        if self.instances == NonZeroU32::MIN {
            decide(rules)
        } else {
            decide(&rules.shared(self.instances))
        }
    }
}

/// The time of day when it was started, and on from there by a clock that is never set.
struct Clock {
    started: Monotonic,
    unix_millis: i64,
}

impl Clock {
    fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let millis = since_epoch.map_or(0, |time| time.as_millis());
        Self { started: Monotonic::now(), unix_millis: i64::try_from(millis).unwrap_or(i64::MAX) }
    }

    fn now(&self) -> Instant {
        let passed = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        Instant::from_clock(self.unix_millis.saturating_add(passed))
    }
}
