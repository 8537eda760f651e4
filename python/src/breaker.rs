use std::time::SystemTime;

use pyo3::prelude::*;
use ratelog_caller as caller;
use ratelog_caller::{Absence, State};

use crate::number::{number, seconds};

#[pyclass(frozen, module = "ratelog._core")]
pub(crate) struct Breaker(caller::Breaker);

#[pymethods]
impl Breaker {
    #[new]
    fn new(failure_threshold: &Bound<'_, PyAny>) -> PyResult<Self> {
        number("failure_threshold", failure_threshold, (0, u32::MAX))
            .map(|failures| Self(caller::Breaker::new(failures)))
    }

    #[getter]
    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    fn record_success(&self) {
        self.0.succeeded();
    }

    fn record_failure(&self, error: String, connection_lost: bool) -> bool {
        self.0.failed(error, connection_lost)
    }

    fn begin_probe(&self) {
        self.0.probing();
    }

    fn record_probe_failure(&self, error: String) {
        self.0.probe_failed(error);
    }

    fn record_recovery(&self) {
        self.0.recovered();
    }

    #[getter]
    fn state(&self) -> &'static str {
        match self.0.state() {
            State::Closed => "closed",
            State::Open => "open",
            State::HalfOpen => "half-open",
        }
    }

    #[getter]
    fn since(&self) -> f64 {
        let since = self.0.history().since.duration_since(SystemTime::UNIX_EPOCH);
        since.unwrap_or_default().as_secs_f64()
    }

    #[getter]
    fn last_error(&self) -> Option<String> {
        self.0.history().last_error
    }

    #[getter]
    fn opened(&self) -> u64 {
        self.0.history().opened
    }
}

#[pyclass(module = "ratelog._core")]
pub(crate) struct ProbeBackoff(caller::Probes);

#[pymethods]
impl ProbeBackoff {
    #[new]
    fn new(min_interval: f64, max_interval: f64) -> PyResult<Self> {
        let min = seconds("min_interval", min_interval)?;
        let max = seconds("max_interval", max_interval)?;
        Ok(Self(caller::Probes::new(min, max)))
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__(&mut self) -> Option<f64> {
        self.0.next().map(|wait| wait.as_secs_f64())
    }
}

#[pyfunction]
pub(crate) fn failure_kind(code: &str) -> Option<&'static str> {
    Absence::of_code(code).map(|kind| match kind {
        Absence::Unserved => "transient",
        Absence::Lost => "connection-lost",
    })
}
