use std::time::Duration;

use pyo3::prelude::*;
use ratelog_core::http;

use crate::headers::Headers;
use crate::time::Time;

#[pyclass(frozen, module = "ratelog._core")]
pub(crate) struct Hint(pub(crate) http::Hint);

#[pymethods]
impl Hint {
    #[staticmethod]
    fn read(headers: Headers, now: Time) -> Self {
        Self(http::Hint::read(headers.0, now.0))
    }

    #[getter]
    fn retry_after(&self) -> Option<f64> {
        self.0.retry_after.as_ref().map(Duration::as_secs_f64)
    }

    #[getter]
    fn remaining(&self) -> Option<u64> {
        self.0.remaining
    }

    #[getter]
    fn exhausted_for(&self) -> Option<f64> {
        self.0.exhausted_for.as_ref().map(Duration::as_secs_f64)
    }

    #[getter]
    fn wait(&self) -> Option<f64> {
        self.0.wait().as_ref().map(Duration::as_secs_f64)
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.0)
    }
}
