use std::time::Duration;

use pyo3::prelude::*;
use ratelog_client_core::http;

use crate::headers::Headers;
use crate::number::UnixTime;

#[pyclass(frozen, module = "ratelog._core")]
pub(crate) struct RetryHint(pub(crate) http::RetryHint);

#[pymethods]
impl RetryHint {
    #[staticmethod]
    fn from_headers(headers: Headers, now: UnixTime) -> Self {
        Self(http::RetryHint::from_headers(headers.0, now.0))
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
        let [retry_after, exhausted_for] = [self.retry_after(), self.exhausted_for()].map(or_none);
        let remaining = or_none(self.remaining());
        format!(
            "RetryHint(retry_after={retry_after}, remaining={remaining}, exhausted_for={exhausted_for})"
        )
    }
}

fn or_none(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "None".to_owned(), |value| value.to_string())
}
