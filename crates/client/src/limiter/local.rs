//! The limiter in this process.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::time::{Instant as Monotonic, SystemTime};

use ratelog_core::limiter::Limiter;
use ratelog_core::{Cost, Instant, Mode, Rules};

use crate::{Decision, Source};

/// What a check of one key is decided by, where this process decides.
#[derive(Clone, Debug)]
pub(super) struct Terms<'a> {
    pub(super) rules: Cow<'a, Rules>,
    pub(super) mode: Mode,
}

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
        let decided = self.limiter.check(key, self.clock.now(), &self.share(&terms.rules), cost);
        Decision::new(decided, Source::Local).under(terms.mode)
    }

    pub(super) fn peek(&self, key: &[u8], terms: &Terms<'_>, cost: Cost) -> Decision {
        let decided = self.limiter.peek(key, self.clock.now(), &self.share(&terms.rules), cost);
        Decision::new(decided, Source::Local).under(terms.mode)
    }

    /// All or nothing, by the rules of each key; their modes are left to the caller.
    pub(super) fn check_all(&self, keys: &[(&[u8], &Rules)], cost: Cost) -> Vec<Decision> {
        let shares: Vec<_> = keys.iter().map(|(key, rules)| (*key, self.share(rules))).collect();
        let keys: Vec<_> = shares.iter().map(|(key, rules)| (*key, rules.as_ref())).collect();
        let decided = self.limiter.mcheck(&keys, self.clock.now(), cost);
        decided.into_iter().map(|decided| Decision::new(decided, Source::Local)).collect()
    }

    pub(super) fn refund(&self, key: &[u8], cost: Cost) -> u64 {
        self.limiter.refund(key, self.clock.now(), cost.units())
    }

    pub(super) fn reset(&self, key: &[u8]) -> u64 {
        self.limiter.reset(key, self.clock.now())
    }

    fn share<'a>(&self, rules: &'a Rules) -> Cow<'a, Rules> {
        if self.instances == NonZeroU32::MIN {
            Cow::Borrowed(rules)
        } else {
            Cow::Owned(rules.shared(self.instances))
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
