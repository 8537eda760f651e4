//! The interval of a log record that repeats.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct LogInterval {
    interval: Duration,
    logged_at: Mutex<Option<Instant>>,
}

impl LogInterval {
    /// Admits one record in each interval.
    pub(super) const fn new(interval: Duration) -> Self {
        Self { interval, logged_at: Mutex::new(None) }
    }

    /// Whether to log a record at `now`.
    pub(super) fn admits(&self, now: Instant) -> bool {
        let mut logged_at = self.logged_at.lock().unwrap_or_else(PoisonError::into_inner);
        if logged_at.is_some_and(|then| now.saturating_duration_since(then) < self.interval) {
            return false;
        }
        *logged_at = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ratelog_client_core::Clock;

    use super::LogInterval;

    #[test]
    fn one_record_in_an_interval_is_admitted() {
        let (log, start) = (LogInterval::new(Duration::from_secs(10)), Clock::monotonic_now());
        let admitted = [0, 1, 9_999, 10_000, 10_001, 19_999, 20_000]
            .map(|millis| log.admits(start + Duration::from_millis(millis)));
        assert_eq!(admitted, [true, false, false, true, false, false, true]);
    }
}
