//! The log of checks that the fallback decided although the server counts as available.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::Error;

/// The least time between two records.
const INTERVAL: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(super) struct UnansweredLog {
    total: AtomicU64,
    logged_at: Mutex<Option<Instant>>,
}

impl UnansweredLog {
    /// Counts checks, and logs them unless others were logged less than ten seconds before `now`.
    pub(super) fn record(&self, server: &str, checks: usize, error: &Error, now: Instant) {
        let checks = u64::try_from(checks).unwrap_or(u64::MAX);
        let total = self.total.fetch_add(checks, Ordering::Relaxed).saturating_add(checks);
        if self.admits(now) {
            tracing::warn!(
                event = "unanswered",
                server,
                %error,
                total,
                "the server did not answer a check: the fallback decided it"
            );
        }
    }

    /// The number of checks so far.
    pub(super) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    fn admits(&self, now: Instant) -> bool {
        let mut logged_at = self.logged_at.lock().unwrap_or_else(PoisonError::into_inner);
        if logged_at.is_some_and(|then| now.saturating_duration_since(then) < INTERVAL) {
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

    use super::UnansweredLog;

    #[test]
    fn one_record_in_ten_seconds_is_admitted() {
        let (log, start) = (UnansweredLog::default(), Clock::monotonic_now());
        let admitted = [0, 1, 9_999, 10_000, 10_001, 19_999, 20_000]
            .map(|millis| log.admits(start + Duration::from_millis(millis)));
        assert_eq!(admitted, [true, false, false, true, false, false, true]);
    }
}
