use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use ratelog_core::http::{self, Family};

use crate::decision::Decision;
use crate::header_family::Fields;
use crate::limits::Limits;
use crate::source::Source;

#[pyclass(frozen, module = "ratelog._core")]
pub(crate) struct Told {
    limits: http::Told,
    family: Family,
    /// The `RateLimit-Policy` of most responses.
    policy_field: Py<PyBytes>,
}

#[pymethods]
impl Told {
    #[new]
    #[pyo3(signature = (limits, family = Fields(Family::Draft11)))]
    fn new(py: Python<'_>, limits: Vec<Bound<'_, Limits>>, family: Fields) -> Self {
        let told = http::Told::new(limits.iter().map(|limits| limits.get().told().clone()));
        let policy_field = PyBytes::new(py, told.policy_field().as_bytes()).unbind();
        Self { limits: told, family: family.0, policy_field }
    }

    fn fields<'py>(
        &self,
        py: Python<'py>,
        decisions: Vec<Bound<'py, Decision>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let counted = decisions.iter().all(|it| it.get().source != Source::Fallback);
        let family = if counted { self.family } else { Family::None };
        let decided = self.each(&decisions)?;
        let fields = self.limits.fields(family, &decided);
        let fields = fields.into_iter().map(|(name, value)| {
            let is_usual = value == self.limits.policy_field();
            let value = if is_usual {
                self.policy_field.bind(py).clone()
            } else {
                PyBytes::new(py, value.as_bytes())
            };
            (PyBytes::new(py, name.as_bytes()), value)
        });
        PyList::new(py, fields.collect::<Vec<_>>())
    }

    fn problem<'py>(
        &self,
        py: Python<'py>,
        decisions: Vec<Bound<'py, Decision>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, self.limits.problem(&self.each(&decisions)?).as_bytes()))
    }
}

impl Told {
    /// A decision for each limit.
    fn each(&self, decisions: &[Bound<'_, Decision>]) -> PyResult<Vec<ratelog_core::Decision>> {
        let (count, limits) = (decisions.len(), self.limits.len());
        if count != limits {
            let wrong = format!("{count} decisions are given for {limits} limits");
            return Err(PyValueError::new_err(wrong));
        }
        Ok(decisions.iter().map(|decision| decision.get().decided).collect())
    }
}
