use std::time::Duration;

use pyo3::prelude::*;
use ratelog_client_core::{Clock, ManualTime};

use crate::units::UnixMillis;

#[pyclass(frozen, module = "ratelog._core")]
pub(crate) struct ManualClock {
    clock: Clock,
    time: ManualTime,
}

#[pymethods]
impl ManualClock {
    #[new]
    fn new(now_ms: UnixMillis) -> Self {
        let (clock, time) = Clock::manual(now_ms.0);
        Self { clock, time }
    }

    fn set(&self, since_start_ms: u64) {
        self.time.set(Duration::from_millis(since_start_ms));
    }
}

/// The clock that was given, or the clock of this process.
pub(crate) fn clock(given: Option<&ManualClock>) -> Clock {
    given.map_or_else(Clock::start, |manual| manual.clock.clone())
}
