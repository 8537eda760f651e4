//! Instants as numbers, and the one place that asks the system for the time.

use std::time::{SystemTime, UNIX_EPOCH};

/// The time in milliseconds since the epoch.
pub fn now_ms() -> u64 {
    unix_ms(SystemTime::now())
}

/// The time in seconds since the epoch.
pub fn now_seconds() -> u64 {
    now_ms() / 1_000
}

/// An instant in milliseconds since the epoch; 0 for one before it.
pub fn unix_ms(instant: SystemTime) -> u64 {
    let since = instant.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
