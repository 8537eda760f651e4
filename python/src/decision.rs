use std::hash::{Hash, Hasher};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use ratelog_client_core::Source;
use ratelog_client_core::engine::{self, FixedOutcome, apply_mode};
use ratelog_core::{Mode, wire};

use crate::key::{Key, StoredKey};
use crate::limits::Limits;
use crate::number::{number, value_error};
use crate::source::SourceName;
use crate::units::Units;

#[pyclass(frozen, eq, hash, module = "ratelog._core")]
pub(crate) struct Decision {
    pub(crate) inner: ratelog_core::Decision,
    pub(crate) source: Source,
    /// The key that the decision is for. Decisions for several keys can be equal.
    key: Option<StoredKey>,
}

impl PartialEq for Decision {
    fn eq(&self, other: &Self) -> bool {
        (self.inner, self.source) == (other.inner, other.source)
    }
}

impl Eq for Decision {}

impl Hash for Decision {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.inner, self.source).hash(state);
    }
}

#[pymethods]
impl Decision {
    #[new]
    #[pyo3(signature = (allowed, limit, remaining, retry_after_ms, reset_after_ms, window_ms, source = SourceName(Source::Module), key = None))]
    #[allow(clippy::too_many_arguments, reason = "the fields of a decision")]
    fn new(
        allowed: bool,
        limit: i64,
        remaining: i64,
        retry_after_ms: Option<i64>,
        reset_after_ms: i64,
        window_ms: i64,
        source: SourceName,
        key: Option<Key<'_, '_>>,
    ) -> PyResult<Self> {
        if retry_after_ms.is_some_and(|wait| wait < 0) {
            return Err(PyValueError::new_err("retry_after_ms must be 0 or more, or None"));
        }
        let retry_after_ms = retry_after_ms.unwrap_or(-1);
        let integers =
            [allowed.into(), limit, remaining, retry_after_ms, reset_after_ms, window_ms];
        Self::from_integers(integers, source.0, key.as_ref())
    }

    #[staticmethod]
    #[pyo3(signature = (reply, source, key = None))]
    fn from_reply(
        reply: &Bound<'_, PyAny>,
        source: SourceName,
        key: Option<Key<'_, '_>>,
    ) -> PyResult<Self> {
        let integers = reply.cast::<PyList>().ok().and_then(six_integers).ok_or_else(|| {
            let shown = reply.repr().map_or_else(|_| String::new(), |repr| format!(", not {repr}"));
            PyValueError::new_err(format!("expected the six integers of a decision{shown}"))
        })?;
        Self::from_integers(integers, source.0, key.as_ref())
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

    #[getter]
    fn key<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.key.as_ref().map(|key| key.to_bytes(py)).transpose()
    }

    fn unenforced(&self, py: Python<'_>) -> Self {
        let key = self.key.as_ref().map(|key| key.clone_ref(py));
        Self { inner: apply_mode(Mode::Shadow, self.inner), source: self.source, key }
    }

    fn __bool__(&self) -> bool {
        self.inner.allowed
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let [_, limit, remaining, _, reset_after, window] = wire::encode(&self.inner);
        let allowed = if self.inner.allowed { "True" } else { "False" };
        let retry_after =
            self.inner.retry_after.map_or_else(|| "None".to_owned(), |wait| wait.to_string());
        let source = self.source.as_str();
        let key = match self.key(py)? {
            Some(key) => format!(", key={}", key.repr()?),
            None => String::new(),
        };
        Ok(format!(
            "Decision({allowed}, limit={limit}, remaining={remaining}, retry_after_ms={retry_after}, \
             reset_after_ms={reset_after}, window_ms={window}, source='{source}'{key})"
        ))
    }
}

impl Decision {
    pub(crate) fn from_source(
        source: Source,
        inner: ratelog_core::Decision,
        key: Option<&Key<'_, '_>>,
    ) -> Self {
        Self { inner, source, key: key.map(StoredKey::new) }
    }

    fn from_integers(
        integers: [i64; 6],
        source: Source,
        key: Option<&Key<'_, '_>>,
    ) -> PyResult<Self> {
        let inner = wire::decode(integers).map_err(|error| value_error(&error))?;
        Ok(Self::from_source(source, inner, key))
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
#[pyo3(signature = (allow, limits, cost, retry_after_ms, key = None))]
pub(crate) fn fallback_decision(
    allow: bool,
    limits: Option<&Limits>,
    cost: Units,
    retry_after_ms: &Bound<'_, PyAny>,
    key: Option<Key<'_, '_>>,
) -> PyResult<Decision> {
    let wait = number("retry_after_ms", retry_after_ms, (0, i64::MAX.unsigned_abs()))?;
    let outcome =
        if allow { FixedOutcome::Allow } else { FixedOutcome::Deny { retry_after_ms: wait } };
    let rules = limits.map(Limits::only_rules).transpose()?;
    let decision = engine::fallback_decision(outcome, rules, cost.0);
    Ok(Decision::from_source(Source::Fallback, decision, key.as_ref()))
}
