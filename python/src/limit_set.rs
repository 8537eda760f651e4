use std::time::SystemTime;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use ratelog_client_core::{Source, http};

use crate::decision::Decision;
use crate::limits::Limits;
use crate::number::{UnixTime, value_error};

#[pyclass(frozen, module = "ratelog._core")]
pub(crate) struct LimitSet {
    limits: http::LimitSet,
    family: http::HeaderFamily,
    /// The `RateLimit-Policy` value of most responses, shared between them.
    policy_value: Py<PyBytes>,
}

#[pymethods]
impl LimitSet {
    #[new]
    #[pyo3(signature = (limits, family = HeaderFamily(http::HeaderFamily::Draft11)))]
    fn new(py: Python<'_>, limits: Vec<Bound<'_, Limits>>, family: HeaderFamily) -> Self {
        let limits = http::LimitSet::new(limits.iter().map(|limits| limits.get().named().clone()));
        let policy_value = PyBytes::new(py, limits.policy_header().as_bytes()).unbind();
        Self { limits, family: family.0, policy_value }
    }

    #[pyo3(signature = (decisions, now = None))]
    fn headers<'py>(
        &self,
        py: Python<'py>,
        decisions: Vec<Option<Bound<'py, Decision>>>,
        now: Option<UnixTime>,
    ) -> PyResult<Bound<'py, PyList>> {
        if now.is_none() && self.family == http::HeaderFamily::XRateLimitEpoch {
            let message = format!("the headers of family {} need the time: pass now", self.family);
            return Err(PyValueError::new_err(message));
        }
        let now = now.map_or(SystemTime::UNIX_EPOCH, |now| now.0);
        let fields = self.limits.headers(self.family, &self.one_per_limit(&decisions)?, now);
        let headers = fields.into_iter().map(|(name, value)| {
            let value = if value == self.limits.policy_header() {
                self.policy_value.bind(py).clone()
            } else {
                PyBytes::new(py, value.as_bytes())
            };
            (PyBytes::new(py, name.as_bytes()), value)
        });
        PyList::new(py, headers.collect::<Vec<_>>())
    }

    fn problem<'py>(
        &self,
        py: Python<'py>,
        decisions: Vec<Option<Bound<'py, Decision>>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let problem = self.limits.problem(&self.one_per_limit(&decisions)?);
        Ok(PyBytes::new(py, problem.as_bytes()))
    }
}

impl LimitSet {
    fn one_per_limit(
        &self,
        decisions: &[Option<Bound<'_, Decision>>],
    ) -> PyResult<Vec<Option<(ratelog_core::Decision, Source)>>> {
        let (count, limits) = (decisions.len(), self.limits.len());
        if count != limits {
            let message = format!("expected one decision per limit: {limits}, not {count}");
            return Err(PyValueError::new_err(message));
        }
        let core = |decision: &Bound<'_, Decision>| (decision.get().inner, decision.get().source);
        Ok(decisions.iter().map(|decision| decision.as_ref().map(core)).collect())
    }
}

pub(crate) struct HeaderFamily(http::HeaderFamily);

impl FromPyObject<'_, '_> for HeaderFamily {
    type Error = PyErr;

    fn extract(name: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        name.extract::<&str>()?.parse().map(Self).map_err(|error| value_error(&error))
    }
}
