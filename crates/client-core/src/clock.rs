use std::time::{Instant as Monotonic, SystemTime};

use ratelog_core::Instant;

/// The clocks of this process. No other code of this crate reads a clock: it takes the time as an argument.
///
/// [`Self::now`] is the Unix time when the clock was started, plus the time that has passed since then by the monotonic
/// clock. A limiter that uses it is not affected when the system's clock is set.
///
/// ```
/// use ratelog_client_core::Clock;
///
/// let clock = Clock::start();
/// let before = clock.now();
/// assert!(clock.now() >= before);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Monotonic,
    started_unix_millis: i64,
}

#[allow(clippy::disallowed_methods, reason = "the one place that reads a clock")]
impl Clock {
    /// Starts a clock at the system's time.
    #[must_use]
    pub fn start() -> Self {
        let since_epoch = Self::system_now().duration_since(SystemTime::UNIX_EPOCH);
        let millis = since_epoch.map_or(0, |time| time.as_millis());
        Self {
            started: Self::monotonic_now(),
            started_unix_millis: i64::try_from(millis).unwrap_or(i64::MAX),
        }
    }

    /// The time for decisions, in Unix milliseconds.
    #[must_use]
    pub fn now(&self) -> Instant {
        let passed = Self::monotonic_now().saturating_duration_since(self.started);
        let passed = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX);
        Instant::from_clock(self.started_unix_millis.saturating_add(passed))
    }

    /// The time for waits and for the age of cached values.
    #[must_use]
    pub fn monotonic_now() -> Monotonic {
        Monotonic::now()
    }

    /// The time of day, for people to read.
    #[must_use]
    pub fn system_now() -> SystemTime {
        SystemTime::now()
    }
}
