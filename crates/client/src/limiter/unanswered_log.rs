//! The log of checks that the fallback decided although the server counts as available.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::log_interval::LogInterval;
use crate::Error;

#[derive(Debug)]
pub(super) struct UnansweredLog {
    total: AtomicU64,
    last_error: Mutex<Option<String>>,
    interval: LogInterval,
}

impl Default for UnansweredLog {
    /// The log admits one record in ten seconds.
    fn default() -> Self {
        Self {
            total: AtomicU64::new(0),
            last_error: Mutex::default(),
            interval: LogInterval::new(Duration::from_secs(10)),
        }
    }
}

impl UnansweredLog {
    /// Counts checks, and logs them unless others were logged shortly before `now`.
    pub(super) fn record(&self, server: &str, checks: usize, error: &Error, now: Instant) {
        let checks = u64::try_from(checks).unwrap_or(u64::MAX);
        let total = self.total.fetch_add(checks, Ordering::Relaxed).saturating_add(checks);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
        if self.interval.admits(now) {
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

    /// Why the last of them was not answered.
    pub(super) fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
