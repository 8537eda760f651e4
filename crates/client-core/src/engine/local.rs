use std::num::NonZeroU32;

use ratelog_core::limiter::Limiter;
use ratelog_core::{Cost, Decision, Instant, Rules};

/// A limiter in this process, one of several processes that share each limit.
///
/// Each of `instances` processes grants an equal share of a limit, rounded down, and at least one unit, unless the limit
/// is zero. Within its share a decision is as exact as the server's. Pass the time in, for example from a
/// [`Clock`](crate::Clock).
///
/// ```
/// use ratelog_client_core::Clock;
/// use ratelog_client_core::engine::LocalLimiter;
/// use ratelog_core::Cost;
/// use std::num::NonZeroU32;
///
/// let (clock, rules) = (Clock::start(), "10/hour".parse()?);
/// let local = LocalLimiter::new(1 << 20, NonZeroU32::new(4).ok_or("none")?);
/// assert_eq!(local.check(b"user:42", clock.now(), &rules, Cost::ONE).remaining, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct LocalLimiter {
    limiter: Limiter,
    instances: NonZeroU32,
}

impl LocalLimiter {
    /// A limiter that uses at most `max_bytes` for all keys together, in one of `instances` processes that share each
    /// limit.
    #[must_use]
    pub fn new(max_bytes: usize, instances: NonZeroU32) -> Self {
        Self { limiter: Limiter::new(max_bytes), instances }
    }

    /// The limiter without shares, for refunds, resets and its counters.
    #[must_use]
    pub const fn limiter(&self) -> &Limiter {
        &self.limiter
    }

    /// Decides whether `key` may use `cost` units at `now`, and records them if it may.
    pub fn check(&self, key: &[u8], now: Instant, rules: &Rules, cost: Cost) -> Decision {
        self.with_share(rules, |rules| self.limiter.check(key, now, rules, cost))
    }

    /// The decision that [`Self::check`] would make. Records nothing.
    pub fn peek(&self, key: &[u8], now: Instant, rules: &Rules, cost: Cost) -> Decision {
        self.with_share(rules, |rules| self.limiter.peek(key, now, rules, cost))
    }

    /// Checks several keys, all or nothing. Returns one decision per key, in order.
    pub fn mcheck<K: AsRef<[u8]>>(
        &self,
        keys: &[(K, &Rules)],
        now: Instant,
        cost: Cost,
    ) -> Vec<Decision> {
        if self.instances == NonZeroU32::MIN {
            return self.limiter.mcheck(keys, now, cost);
        }
        let shares: Vec<_> =
            keys.iter().map(|(key, rules)| (key.as_ref(), rules.shared(self.instances))).collect();
        let keys: Vec<_> = shares.iter().map(|(key, rules)| (*key, rules)).collect();
        self.limiter.mcheck(&keys, now, cost)
    }

    /// Calls `decide` with this process's share of the rules.
    fn with_share<T>(&self, rules: &Rules, decide: impl FnOnce(&Rules) -> T) -> T {
        if self.instances == NonZeroU32::MIN {
            decide(rules)
        } else {
            decide(&rules.shared(self.instances))
        }
    }
}
