//! The limiter in this process, with its clock.

use std::num::NonZeroU32;

use ratelog_client_core::Clock;
use ratelog_client_core::engine::LocalLimiter;
use ratelog_core::{Cost, Rules};

use crate::{Decision, Source};

pub(super) struct Local {
    limiter: LocalLimiter,
    clock: Clock,
}

impl Local {
    pub(super) fn new(max_bytes: usize, instances: NonZeroU32, clock: Clock) -> Self {
        Self { limiter: LocalLimiter::new(max_bytes, instances), clock }
    }

    pub(super) fn check(&self, key: &[u8], rules: &Rules, cost: Cost) -> Decision {
        let decision = self.limiter.check(key, self.clock.now(), rules, cost);
        Decision::new(decision, Source::Local)
    }

    pub(super) fn peek(&self, key: &[u8], rules: &Rules, cost: Cost) -> Decision {
        let decision = self.limiter.peek(key, self.clock.now(), rules, cost);
        Decision::new(decision, Source::Local)
    }

    pub(super) fn mcheck(&self, keys: &[(&[u8], &Rules)], cost: Cost) -> Vec<Decision> {
        let decisions = self.limiter.mcheck(keys, self.clock.now(), cost).into_iter();
        decisions.map(|decision| Decision::new(decision, Source::Local)).collect()
    }

    pub(super) fn refund(&self, key: &[u8], cost: Cost) -> u64 {
        self.limiter.limiter().refund(key, self.clock.now(), cost.units())
    }

    pub(super) fn reset(&self, key: &[u8]) -> u64 {
        self.limiter.limiter().reset(key, self.clock.now())
    }
}
