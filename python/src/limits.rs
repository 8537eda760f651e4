use std::hash::{Hash, Hasher};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use ratelog_caller::{self as caller, Check};
use ratelog_core::http;
use ratelog_core::{Cost, PolicyName, Rules};

use crate::number::value_error;
use crate::policy_name::Name;
use crate::rules::{Pairs, pairs};

#[pyclass(frozen, eq, hash, module = "ratelog._core")]
pub(crate) struct Limits {
    under: Under,
    told: http::Limits,
    words: Py<PyTuple>,
    script_words: Py<PyTuple>,
}

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
    fn of_policy(py: Python<'_>, name: Name) -> PyResult<Self> {
        let told = http::Limits::from(&name.0);
        Self::told_as(py, Under::Policy(name.0), told)
    }

    #[staticmethod]
    fn of_rules(py: Python<'_>, rules: Pairs) -> PyResult<Self> {
        let told = http::Limits::from(&rules.0);
        Self::told_as(py, Under::Rules(rules.0.into()), told)
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
    /// The rules of a policy.
    pub(crate) fn known(py: Python<'_>, name: &PolicyName, rules: &Rules) -> PyResult<Self> {
        let told = http::Limits::of_policy(name, rules);
        Self::told_as(py, Under::Rules(rules.clone().into()), told)
    }

    fn told_as(py: Python<'_>, under: Under, told: http::Limits) -> PyResult<Self> {
        let words = PyTuple::new(py, words(&under))?.unbind();
        let script_words = PyTuple::new(py, script_words(&under))?.unbind();
        Ok(Self { under, told, words, script_words })
    }

    /// What a check is decided under.
    pub(crate) fn under(&self) -> caller::Under<'_, &Rules> {
        match &self.under {
            Under::Rules(rules) => caller::Under::Rules(rules),
            Under::Policy(name) => caller::Under::Policy(name),
        }
    }

    pub(crate) fn check(&self, cost: Cost) -> Check<'_> {
        match &self.under {
            Under::Rules(rules) => Check::from(&**rules).cost(cost),
            Under::Policy(name) => Check::from(name).cost(cost),
        }
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
