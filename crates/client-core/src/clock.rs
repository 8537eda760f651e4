use std::time::{Instant as Monotonic, SystemTime};

use ratelog_core::Instant;

/// The time of day when it was started, and on from there by a clock that is never set.
///
/// So a limiter in this process neither gives time away nor takes it back when the system's clock is set.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Monotonic,
    unix_millis: i64,
}

impl Clock {
    /// Starts it.
    #[must_use]
    pub fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let millis = since_epoch.map_or(0, |time| time.as_millis());
        Self { started: Monotonic::now(), unix_millis: i64::try_from(millis).unwrap_or(i64::MAX) }
    }

    /// What it shows.
    #[must_use]
    pub fn now(&self) -> Instant {
        let passed = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        Instant::from_clock(self.unix_millis.saturating_add(passed))
    }
}
