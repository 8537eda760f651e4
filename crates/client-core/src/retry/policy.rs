use std::time::Duration;

use super::Backoff;

/// How often, and for how long in all, something is tried again.
///
/// By default: 5 tries; 60 seconds in all; 30 seconds for one wait; where nobody tells how long to wait, 100
/// milliseconds, then twice as long each time.
///
/// ```
/// use ratelog_client_core::retry::RetryPolicy;
/// use std::time::Duration;
///
/// let patient = RetryPolicy::default().max_tries(20).max_total(Duration::from_secs(600));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use = "a policy does nothing by itself"]
pub struct RetryPolicy {
    pub(super) max_tries: u32,
    pub(super) max_total: Duration,
    pub(super) max_single_wait: Duration,
    pub(super) base: Duration,
    pub(super) factor: f32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_tries: 5,
            max_total: Duration::from_secs(60),
            max_single_wait: Duration::from_secs(30),
            base: Duration::from_millis(100),
            factor: 2.0,
        }
    }
}

impl RetryPolicy {
    /// At most `tries` in all, the first included. That one is made in any case: 0 counts as 1.
    pub const fn max_tries(self, tries: u32) -> Self {
        Self { max_tries: tries, ..self }
    }

    /// No try begins later than `total` after the first began. A try that has begun is not cut short: that is for a
    /// timeout of the request itself.
    pub const fn max_total(self, total: Duration) -> Self {
        Self { max_total: total, ..self }
    }

    /// No wait is longer than `wait`. To be told a longer one is a reason to give up at once.
    pub const fn max_single_wait(self, wait: Duration) -> Self {
        Self { max_single_wait: wait, ..self }
    }

    /// The first wait where none is told, before its jitter, which at most doubles it. Also the most that a told wait
    /// is lengthened by, unless a tenth of it is more.
    pub const fn base(self, wait: Duration) -> Self {
        Self { base: wait, ..self }
    }

    /// How many times longer each wait is than the one before, where none is told. Less than 1, or no number at all,
    /// counts as 1.
    pub const fn factor(self, factor: f32) -> Self {
        Self { factor, ..self }
    }

    /// The waits between the tries of one request, to be asked for one by one.
    #[must_use]
    pub fn waits(&self) -> Backoff {
        Backoff::new(*self)
    }
}
