use std::hash::{Hash, Hasher};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use ratelog_core::http;
use ratelog_core::{PolicyName, Rules};

use crate::rules::{Pairs, pairs, value_error};

#[pyclass(frozen, eq, hash, module = "ratelog._core")]
pub(crate) struct Limits {
    under: Under,
    told: http::Limits,
    words: Py<PyTuple>,
    script_words: Py<PyTuple>,
}

/// What a check is decided under.
#[derive(PartialEq, Eq, Hash)]
enum Under {
    Rules(Box<Rules>),
    Policy(PolicyName),
}

#[pymethods]
impl Limits {
    #[new]
    #[pyo3(signature = (rules, *, names = None))]
    fn new(py: Python<'_>, rules: &str, names: Option<Vec<String>>) -> PyResult<Self> {
        let rules: Rules = rules.parse().map_err(|error| value_error(&error))?;
        let told = match names {
            None => http::Limits::from(&rules),
            Some(names) => {
                http::Limits::named(&rules, names).map_err(|error| value_error(&error))?
            }
        };
        Self::told_as(py, Under::Rules(rules.into()), told)
    }

    #[staticmethod]
    fn of_policy(py: Python<'_>, name: &str) -> PyResult<Self> {
        let policy: PolicyName = name
            .parse()
            .map_err(|error| PyValueError::new_err(format!("{error}, not {name:?}")))?;
        let told = http::Limits::from(&policy);
        Self::told_as(py, Under::Policy(policy), told)
    }

    #[staticmethod]
    fn of_rules(py: Python<'_>, rules: Pairs) -> PyResult<Self> {
        Self::by_text(py, rules.0)
    }

    #[getter]
    fn policy(&self) -> Option<&str> {
        match &self.under {
            Under::Rules(_) => None,
            Under::Policy(name) => Some(name.as_str()),
        }
    }

    #[getter]
    fn rules<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        match &self.under {
            Under::Rules(rules) => PyTuple::new(py, pairs(rules)),
            Under::Policy(_) => Ok(PyTuple::empty(py)),
        }
    }

    #[getter]
    fn words<'py>(&self, py: Python<'py>) -> &Bound<'py, PyTuple> {
        self.words.bind(py)
    }

    #[getter]
    fn script_words<'py>(&self, py: Python<'py>) -> &Bound<'py, PyTuple> {
        self.script_words.bind(py)
    }

    fn __str__(&self) -> String {
        match &self.under {
            Under::Rules(rules) => rules.to_string(),
            Under::Policy(name) => name.to_string(),
        }
    }

    fn __repr__(&self) -> String {
        match &self.under {
            Under::Rules(rules) => format!("Limits('{rules}')"),
            Under::Policy(name) => format!("Limits.of_policy('{name}')"),
        }
    }
}

impl Limits {
    /// Rules that are named by their texts.
    pub(crate) fn by_text(py: Python<'_>, rules: Rules) -> PyResult<Self> {
        let told = http::Limits::from(&rules);
        Self::told_as(py, Under::Rules(rules.into()), told)
    }

    fn told_as(py: Python<'_>, under: Under, told: http::Limits) -> PyResult<Self> {
        let words = PyTuple::new(py, words(&under))?.unbind();
        let script_words = PyTuple::new(py, script_words(&under))?.unbind();
        Ok(Self { under, told, words, script_words })
    }

    pub(crate) fn told(&self) -> &http::Limits {
        &self.told
    }

    /// The rules, where a policy's will not do.
    pub(crate) fn only_rules(&self) -> PyResult<&Rules> {
        match &self.under {
            Under::Rules(rules) => Ok(rules),
            Under::Policy(name) => Err(PyValueError::new_err(format!(
                "the rules of the policy '{name}' are not given here"
            ))),
        }
    }
}

impl PartialEq for Limits {
    fn eq(&self, other: &Self) -> bool {
        self.under == other.under && self.told == other.told
    }
}

impl Hash for Limits {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.under.hash(state);
    }
}

fn words(under: &Under) -> Vec<String> {
    let of_rule = |(limit, window)| [format!("{limit}"), format!("{window}ms")];
    match under {
        Under::Rules(rules) => pairs(rules).into_iter().flat_map(of_rule).collect(),
        Under::Policy(name) => vec!["POLICY".to_owned(), name.to_string()],
    }
}

fn script_words(under: &Under) -> Vec<String> {
    let Under::Rules(rules) = under else { return Vec::new() };
    let pairs = pairs(rules);
    let count = pairs.len().to_string();
    let of_rule = |(limit, window): (u64, u64)| [limit.to_string(), window.to_string()];
    std::iter::once(count).chain(pairs.into_iter().flat_map(of_rule)).collect()
}
