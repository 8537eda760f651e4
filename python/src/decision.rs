use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyList;
use ratelog_client_core::Source;
use ratelog_client_core::engine::{self, FixedOutcome, apply_mode};
use ratelog_core::{Mode, wire};

use crate::limits::Limits;
use crate::number::{number, value_error};
use crate::source::SourceName;
use crate::units::Units;

#[pyclass(frozen, eq, hash, module = "ratelog._core")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Decision {
    pub(crate) inner: ratelog_core::Decision,
    pub(crate) source: Source,
}

#[pymethods]
impl Decision {
    #[new]
    #[pyo3(signature = (allowed, limit, remaining, retry_after_ms, reset_after_ms, window_ms, source = SourceName(Source::Module)))]
    fn new(
        allowed: bool,
        limit: i64,
        remaining: i64,
        retry_after_ms: Option<i64>,
        reset_after_ms: i64,
        window_ms: i64,
        source: SourceName,
    ) -> PyResult<Self> {
        if retry_after_ms.is_some_and(|wait| wait < 0) {
            return Err(PyValueError::new_err("retry_after_ms must be 0 or more, or None"));
        }
        let retry_after_ms = retry_after_ms.unwrap_or(-1);
        let integers =
            [allowed.into(), limit, remaining, retry_after_ms, reset_after_ms, window_ms];
        Self::from_integers(integers, source.0)
    }

    #[staticmethod]
    fn from_reply(reply: &Bound<'_, PyAny>, source: SourceName) -> PyResult<Self> {
        let integers = reply.cast::<PyList>().ok().and_then(six_integers).ok_or_else(|| {
            let shown = reply.repr().map_or_else(|_| String::new(), |repr| format!(", not {repr}"));
            PyValueError::new_err(format!("expected the six integers of a decision{shown}"))
        })?;
        Self::from_integers(integers, source.0)
    }

    #[getter]
    fn allowed(&self) -> bool {
        self.inner.allowed
    }

    #[getter]
    fn limit(&self) -> u64 {
        self.inner.limit.units()
    }

    #[getter]
    fn remaining(&self) -> u64 {
        self.inner.remaining
    }

    #[getter]
    fn retry_after_ms(&self) -> Option<u64> {
        self.inner.retry_after
    }

    #[getter]
    fn reset_after_ms(&self) -> u64 {
        self.inner.reset_after
    }

    #[getter]
    fn window_ms(&self) -> u64 {
        self.inner.window.millis()
    }

    #[getter]
    fn source(&self) -> &'static str {
        self.source.as_str()
    }

    fn unenforced(&self) -> Self {
        Self { inner: apply_mode(Mode::Shadow, self.inner), ..*self }
    }

    fn __bool__(&self) -> bool {
        self.inner.allowed
    }

    fn __repr__(&self) -> String {
        let [_, limit, remaining, _, reset_after, window] = wire::encode(&self.inner);
        let allowed = if self.inner.allowed { "True" } else { "False" };
        let retry_after =
            self.inner.retry_after.map_or_else(|| "None".to_owned(), |wait| wait.to_string());
        let source = self.source.as_str();
        format!(
            "Decision({allowed}, limit={limit}, remaining={remaining}, retry_after_ms={retry_after}, \
             reset_after_ms={reset_after}, window_ms={window}, source='{source}')"
        )
    }
}

impl Decision {
    pub(crate) fn from_source(source: Source, inner: ratelog_core::Decision) -> Self {
        Self { inner, source }
    }

    fn from_integers(integers: [i64; 6], source: Source) -> PyResult<Self> {
        let inner = wire::decode(integers).map_err(|error| value_error(&error))?;
        Ok(Self { inner, source })
    }
}

fn six_integers(reply: &Bound<'_, PyList>) -> Option<[i64; 6]> {
    let mut integers = [0; 6];
    if reply.len() != integers.len() {
        return None;
    }
    for (integer, item) in integers.iter_mut().zip(reply) {
        *integer = item.extract().ok()?;
    }
    Some(integers)
}

#[pyfunction]
pub(crate) fn fallback_decision(
    allow: bool,
    limits: Option<&Limits>,
    cost: Units,
    retry_after_ms: &Bound<'_, PyAny>,
) -> PyResult<Decision> {
    let wait = number("retry_after_ms", retry_after_ms, (0, i64::MAX.unsigned_abs()))?;
    let outcome =
        if allow { FixedOutcome::Allow } else { FixedOutcome::Deny { retry_after_ms: wait } };
    let rules = limits.map(Limits::only_rules).transpose()?;
    Ok(Decision::from_source(Source::Fallback, engine::fallback_decision(outcome, rules, cost.0)))
}
