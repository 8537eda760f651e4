use std::time::Instant;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ratelog_caller::retry::{self, Turn};

use crate::number::seconds;
use crate::retry_hint::RetryHint;

#[pyclass(module = "ratelog._core")]
pub(crate) struct ThrottleState {
    state: retry::Lane,
    /// The `Instant` that corresponds to zero on Python's monotonic clock.
    epoch: Instant,
}

#[pymethods]
impl ThrottleState {
    #[new]
    fn new() -> Self {
        Self { state: retry::Lane::default(), epoch: Instant::now() }
    }

    fn try_acquire(&mut self, now: f64, deadline: f64) -> PyResult<Option<f64>> {
        let (now, deadline) = (self.instant("now", now)?, self.instant("deadline", deadline)?);
        Ok(match self.state.enter(now, deadline) {
            Turn::Now => Some(0.0),
            Turn::At(then) => Some(then.saturating_duration_since(now).as_secs_f64()),
            Turn::AfterAnother => None,
        })
    }

    fn on_response(&mut self, denied: bool, hint: &RetryHint, now: f64) -> PyResult<()> {
        self.state.answered(denied, &hint.0, self.instant("now", now)?);
        Ok(())
    }

    fn release(&mut self) {
        self.state.left();
    }
}

impl ThrottleState {
    fn instant(&self, name: &str, time: f64) -> PyResult<Instant> {
        // Later than any real clock reading; infinity becomes this value.
        const LATEST: f64 = 1e10;
        let time = seconds(name, if time > LATEST { LATEST } else { time })?;
        let instant = self.epoch.checked_add(time);
        instant.ok_or_else(|| PyValueError::new_err(format!("{name} is out of range")))
    }
}
