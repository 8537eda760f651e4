use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant as Monotonic, SystemTime};

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
#[derive(Clone, Debug)]
pub struct Clock {
    started: Monotonic,
    started_unix_millis: i64,
    /// The milliseconds since the start, of a clock that a test moves.
    moved: Option<Arc<AtomicU64>>,
}

/// Moves the time of a [`Clock::manual`].
#[derive(Clone, Debug)]
pub struct ManualTime(Arc<AtomicU64>);

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
            moved: None,
        }
    }

    /// A clock that stands still at `start` until you move it, for tests.
    ///
    /// ```
    /// use ratelog_client_core::Clock;
    /// use ratelog_core::Instant;
    /// use std::time::Duration;
    ///
    /// let start = Instant::from_clock(1_700_000_000_000);
    /// let (clock, time) = Clock::manual(start);
    /// time.set(Duration::from_millis(5));
    /// assert_eq!(clock.now().unix_millis(), 1_700_000_000_005);
    /// ```
    #[must_use]
    pub fn manual(start: Instant) -> (Self, ManualTime) {
        let moved = Arc::new(AtomicU64::new(0));
        let clock = Self {
            started: Self::monotonic_now(),
            started_unix_millis: start.unix_millis(),
            moved: Some(Arc::clone(&moved)),
        };
        (clock, ManualTime(moved))
    }

    /// The time for decisions, in Unix milliseconds.
    #[must_use]
    pub fn now(&self) -> Instant {
        let passed = self.monotonic().saturating_duration_since(self.started);
        let passed = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX);
        Instant::from_clock(self.started_unix_millis.saturating_add(passed))
    }

    /// The time for the age of cached values, by this clock.
    #[must_use]
    pub fn monotonic(&self) -> Monotonic {
        match &self.moved {
            None => Self::monotonic_now(),
            Some(moved) => self.started + Duration::from_millis(moved.load(Ordering::Acquire)),
        }
    }

    /// The time for waits, by the process's clock.
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

impl ManualTime {
    /// Sets the time since the clock's start, rounded down to whole milliseconds.
    pub fn set(&self, since_start: Duration) {
        let millis = u64::try_from(since_start.as_millis()).unwrap_or(u64::MAX);
        self.0.store(millis, Ordering::Release);
    }
}
