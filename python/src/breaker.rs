use std::time::SystemTime;

use pyo3::prelude::*;
use ratelog_caller as caller;
use ratelog_caller::State;

use crate::number::number;

#[pyclass(frozen, module = "ratelog._core")]
pub(crate) struct Breaker(caller::Breaker);

#[pymethods]
impl Breaker {
    #[new]
    fn new(failures: &Bound<'_, PyAny>) -> PyResult<Self> {
        number("failures", failures, (0, u32::MAX))
            .map(|failures| Self(caller::Breaker::new(failures)))
    }

    #[getter]
    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    fn succeeded(&self) {
        self.0.succeeded();
    }

    fn failed(&self, error: String, lost: bool) -> bool {
        self.0.failed(error, lost)
    }

    fn probing(&self) {
        self.0.probing();
    }

    fn probe_failed(&self, error: String) {
        self.0.probe_failed(error);
    }

    fn recovered(&self) {
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
