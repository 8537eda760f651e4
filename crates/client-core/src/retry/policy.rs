use std::time::Duration;

/// Bounds on retries: how many, and for how long.
///
/// By default: 5 attempts; 60 seconds in total; 30 seconds for one wait. If the server gives no wait, the first is 100
/// milliseconds, and each one is twice as long as the one before.
///
/// ```
/// use ratelog_client_core::retry::RetryPolicy;
/// use std::time::Duration;
///
/// let policy = RetryPolicy::default().max_attempts(20).max_total(Duration::from_secs(600));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use = "a policy does nothing by itself"]
pub struct RetryPolicy {
    pub(super) max_attempts: u32,
    pub(super) max_total: Duration,
    pub(super) max_single_wait: Duration,
    pub(super) base: Duration,
    pub(super) factor: f32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 5,
            max_total: Duration::from_secs(60),
            max_single_wait: Duration::from_secs(30),
            base: Duration::from_millis(100),
            factor: 2.0,
        }
    }
}

impl RetryPolicy {
    /// The maximum number of attempts, including the first. The first is always made, so 0 counts as 1.
    pub const fn max_attempts(self, attempts: u32) -> Self {
        Self { max_attempts: attempts, ..self }
    }

    /// The maximum time from the start of the first attempt to the start of the last. An attempt in progress is not
    /// aborted; set a timeout on the request for that.
    pub const fn max_total(self, total: Duration) -> Self {
        Self { max_total: total, ..self }
    }

    /// The maximum length of one wait. If the server asks for a longer one, there is no retry.
    pub const fn max_single_wait(self, wait: Duration) -> Self {
        Self { max_single_wait: wait, ..self }
    }

    /// The first wait if the server gives none, before jitter, which at most doubles it. Also the upper bound on the
    /// jitter that is added to a wait given by the server, unless a tenth of that wait is more.
    pub const fn base(self, wait: Duration) -> Self {
        Self { base: wait, ..self }
    }

    /// The ratio of each wait to the one before, if the server gives none. A value under 1, or NaN, counts as 1.
    pub const fn factor(self, factor: f32) -> Self {
        Self { factor, ..self }
    }
}
