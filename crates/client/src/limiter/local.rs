//! The limiter in this process.

use std::num::NonZeroU32;

use ratelog_client_core::{Clock, Terms};
use ratelog_core::{Cost, Rules};

use crate::{Decision, Source};

pub(super) struct Local {
    limiter: ratelog_client_core::Local,
    clock: Clock,
}

impl Local {
    pub(super) fn new(max_bytes: usize, instances: NonZeroU32) -> Self {
        Self {
            limiter: ratelog_client_core::Local::new(max_bytes, instances),
            clock: Clock::start(),
        }
    }

    pub(super) fn check(&self, key: &[u8], terms: &Terms<'_>, cost: Cost) -> Decision {
        let decided = self.limiter.check(key, self.clock.now(), &terms.rules, cost);
        Decision::new(decided, Source::Local).under(terms.mode)
    }

    pub(super) fn peek(&self, key: &[u8], terms: &Terms<'_>, cost: Cost) -> Decision {
        let decided = self.limiter.peek(key, self.clock.now(), &terms.rules, cost);
        Decision::new(decided, Source::Local).under(terms.mode)
    }

    /// All or nothing, by the rules of each key; their modes are left to the caller.
    pub(super) fn check_all(&self, keys: &[(&[u8], &Rules)], cost: Cost) -> Vec<Decision> {
        let decided = self.limiter.mcheck(keys, self.clock.now(), cost);
        decided.into_iter().map(|decided| Decision::new(decided, Source::Local)).collect()
    }

    pub(super) fn refund(&self, key: &[u8], cost: Cost) -> u64 {
        self.limiter.limiter().refund(key, self.clock.now(), cost.units())
    }

    pub(super) fn reset(&self, key: &[u8]) -> u64 {
        self.limiter.limiter().reset(key, self.clock.now())
    }
}
