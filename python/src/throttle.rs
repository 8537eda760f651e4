use std::time::{Duration, Instant};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ratelog_client_core::Clock;
use ratelog_client_core::retry::{self, Admission};

use crate::number::seconds;
use crate::retry_hint::RetryHint;

#[pyclass(module = "ratelog._core")]
pub(crate) struct ThrottleState {
    state: retry::ThrottleState,
    /// The `Instant` that corresponds to zero on Python's monotonic clock.
    epoch: Instant,
}

#[pymethods]
impl ThrottleState {
    #[new]
    fn new() -> Self {
        Self { state: retry::ThrottleState::default(), epoch: Clock::monotonic_now() }
    }

    fn try_acquire(&mut self, now: f64, deadline: f64) -> PyResult<Option<f64>> {
        let (now, deadline) = (self.instant("now", now)?, self.instant("deadline", deadline)?);
        Ok(match self.state.try_acquire(now, deadline) {
            Admission::Admitted => Some(0.0),
            Admission::WaitUntil(then) => Some(then.saturating_duration_since(now).as_secs_f64()),
            Admission::WaitForRelease => None,
        })
    }

    fn on_response(
        &mut self,
        denied: bool,
        hint: &RetryHint,
        now: f64,
        max_wait: f64,
    ) -> PyResult<()> {
        let max_wait = finite_seconds("max_wait", max_wait)?;
        self.state.on_response(denied, &hint.0, self.instant("now", now)?, max_wait);
        Ok(())
    }

    fn release(&mut self) {
        self.state.release();
    }
}

impl ThrottleState {
    fn instant(&self, name: &str, time: f64) -> PyResult<Instant> {
        let time = finite_seconds(name, time)?;
        let instant = self.epoch.checked_add(time);
        instant.ok_or_else(|| PyValueError::new_err(format!("{name} is out of range")))
    }
}

/// As [`seconds`], with infinity as a time that is later than any clock reads.
fn finite_seconds(name: &str, value: f64) -> PyResult<Duration> {
    const LATEST: f64 = 1e10;
    seconds(name, if value > LATEST { LATEST } else { value })
}
