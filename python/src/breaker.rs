use std::time::SystemTime;

use pyo3::prelude::*;
use ratelog_client_core::Clock;
use ratelog_client_core::engine::{self, BreakerState, FailureKind};

use crate::number::{number, seconds};

#[pyclass(frozen, module = "ratelog._core")]
pub(crate) struct Breaker(engine::Breaker);

#[pymethods]
impl Breaker {
    #[new]
    fn new(failure_threshold: &Bound<'_, PyAny>) -> PyResult<Self> {
        number("failure_threshold", failure_threshold, (0, u32::MAX))
            .map(|threshold| Self(engine::Breaker::new(threshold, Clock::system_now())))
    }

    #[getter]
    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    fn record_success(&self) {
        self.0.record_success();
    }

    fn record_failure(&self, error: String, connection_lost: bool) -> bool {
        let kind =
            if connection_lost { FailureKind::ConnectionLost } else { FailureKind::Transient };
        self.0.record_failure(error, kind, Clock::system_now())
    }

    fn begin_probe(&self) {
        self.0.begin_probe(Clock::system_now());
    }

    fn record_probe_failure(&self, error: String) {
        self.0.record_probe_failure(error, Clock::system_now());
    }

    fn record_recovery(&self) {
        self.0.record_recovery(Clock::system_now());
    }

    #[getter]
    fn state(&self) -> &'static str {
        match self.0.state() {
            BreakerState::Closed => "closed",
            BreakerState::Open => "open",
            BreakerState::HalfOpen => "half-open",
        }
    }

    #[getter]
    fn since(&self) -> f64 {
        let since = self.0.status().since.duration_since(SystemTime::UNIX_EPOCH);
        since.unwrap_or_default().as_secs_f64()
    }

    #[getter]
    fn last_error(&self) -> Option<String> {
        self.0.status().last_error
    }

    #[getter]
    fn opened(&self) -> u64 {
        self.0.status().opened
    }
}

#[pyclass(module = "ratelog._core")]
pub(crate) struct ProbeBackoff(engine::ProbeBackoff);

#[pymethods]
impl ProbeBackoff {
    #[new]
    fn new(min_interval: f64, max_interval: f64) -> PyResult<Self> {
        let min = seconds("min_interval", min_interval)?;
        let max = seconds("max_interval", max_interval)?;
        Ok(Self(engine::ProbeBackoff::new(min, max)))
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__(&mut self) -> Option<f64> {
        self.0.next().map(|wait| wait.as_secs_f64())
    }
}

#[pyfunction]
pub(crate) fn failure_kind(message: &str) -> Option<&'static str> {
    FailureKind::from_message(message).map(|kind| match kind {
        FailureKind::Transient => "transient",
        FailureKind::ConnectionLost => "connection-lost",
    })
}
