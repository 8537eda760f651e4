use std::num::NonZeroU32;

use ratelog_core::limiter::Limiter;
use ratelog_core::{Cost, Decision, Instant, Rules};

/// A limiter in this process, one of several processes that share each limit.
///
/// Each grants an equal share of a limit, rounded down, and at least one unit. Otherwise it is as its [`limiter`]; the
/// caller passes the time in, of a [`Clock`](crate::Clock) say.
///
/// [`limiter`]: Self::limiter
///
/// ```
/// use ratelog_client_core::{Clock, Local};
/// use ratelog_core::Cost;
/// use std::num::NonZeroU32;
///
/// let (clock, rules) = (Clock::start(), "10/hour".parse()?);
/// let local = Local::new(1 << 20, NonZeroU32::new(4).ok_or("none")?);
/// assert_eq!(local.check(b"user:42", clock.now(), &rules, Cost::ONE).remaining, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Local {
    limiter: Limiter,
    instances: NonZeroU32,
}

impl Local {
    /// A limiter that takes at most `max_bytes` for all keys together, one of `instances` that share each limit.
    #[must_use]
    pub fn new(max_bytes: usize, instances: NonZeroU32) -> Self {
        Self { limiter: Limiter::new(max_bytes), instances }
    }

    /// The limiter that decides.
    #[must_use]
    pub const fn limiter(&self) -> &Limiter {
        &self.limiter
    }

    /// Decides whether `key` may use `cost` units at `now`; they are recorded if it may.
    pub fn check(&self, key: &[u8], now: Instant, rules: &Rules, cost: Cost) -> Decision {
        self.by_share(rules, |rules| self.limiter.check(key, now, rules, cost))
    }

    /// The decision that [`Self::check`] would come to, recording nothing.
    pub fn peek(&self, key: &[u8], now: Instant, rules: &Rules, cost: Cost) -> Decision {
        self.by_share(rules, |rules| self.limiter.peek(key, now, rules, cost))
    }

    /// One check of several keys, all or nothing: a decision for each of them, in their order.
    pub fn mcheck<K: AsRef<[u8]>>(
        &self,
        keys: &[(K, &Rules)],
        now: Instant,
        cost: Cost,
    ) -> Vec<Decision> {
        let share = |rules: &Rules| self.by_share(rules, Rules::clone);
        let keys: Vec<_> = keys.iter().map(|(key, rules)| (key.as_ref(), share(rules))).collect();
        let keys: Vec<_> = keys.iter().map(|(key, rules)| (*key, rules)).collect();
        self.limiter.mcheck(&keys, now, cost)
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
