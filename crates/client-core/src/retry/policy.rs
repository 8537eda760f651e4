use std::time::Duration;

/// Bounds on retries: for how long, and how many.
///
/// By default: 60 seconds in total. A wait that the server gives has no other bound, so a request that contends with
/// others is not given up after some denials. If the server gives no wait, the first is 100 milliseconds, and each one is
/// twice as long as the one before, up to 30 seconds; after 4 of them there is no further retry.
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
    pub(super) max_attempts: Option<u32>,
    pub(super) max_total: Duration,
    pub(super) max_single_wait: Option<Duration>,
    pub(super) base: Duration,
    pub(super) factor: f32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: None,
            max_total: Duration::from_secs(60),
            max_single_wait: None,
            base: Duration::from_millis(100),
            factor: 2.0,
        }
    }
}

impl RetryPolicy {
    /// The maximum number of attempts, including the first. The first is always made, so 0 counts as 1. Default: no bound
    /// after waits that the server gives, and 4 retries after others.
    pub const fn max_attempts(self, attempts: u32) -> Self {
        Self { max_attempts: Some(attempts), ..self }
    }

    /// The maximum time from the start of the first attempt to the start of the last. An attempt in progress is not
    /// aborted; set a timeout on the request for that.
    pub const fn max_total(self, total: Duration) -> Self {
        Self { max_total: total, ..self }
    }

    /// The maximum length of one wait. If the server asks for a longer one, there is no retry. Default: no bound but
    /// [`Self::max_total`]; 30 seconds if the server gives no wait.
    pub const fn max_single_wait(self, wait: Duration) -> Self {
        Self { max_single_wait: Some(wait), ..self }
    }

    /// The first wait if the server gives none, before jitter, which at most doubles it. It is at most half of the longest
    /// wait ([`max_single_wait`](Self::max_single_wait), else 30 seconds). Also the upper bound on the jitter that is added
    /// to a wait given by the server, unless a tenth of that wait is more.
    pub const fn base(self, wait: Duration) -> Self {
        Self { base: wait, ..self }
    }

    /// The ratio of each wait to the one before, if the server gives none. A value under 1, or NaN, counts as 1.
    pub const fn factor(self, factor: f32) -> Self {
        Self { factor, ..self }
    }
}
