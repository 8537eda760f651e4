use std::hash::{Hash, Hasher};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use ratelog_client_core::engine::pace;
use ratelog_client_core::{Check, http};
use ratelog_core::{Cost, OwnedRuleSource, PolicyName, Rule, RuleSource, Rules};

use crate::number::value_error;
use crate::policy_name;
use crate::rules::{Pairs, pairs};

#[pyclass(frozen, eq, hash, module = "ratelog._core")]
pub(crate) struct Limits {
    source: OwnedRuleSource,
    named: http::NamedRules,
    args: Py<PyTuple>,
    script_args: Py<PyTuple>,
}

#[pymethods]
impl Limits {
    #[new]
    #[pyo3(signature = (rules, *, names = None))]
    fn new(py: Python<'_>, rules: &str, names: Option<Vec<String>>) -> PyResult<Self> {
        let rules: Rules = rules.parse().map_err(|error| value_error(&error))?;
        let named = match names {
            None => http::NamedRules::from(&rules),
            Some(names) => {
                http::NamedRules::new(&rules, names).map_err(|error| value_error(&error))?
            }
        };
        Self::from_parts(py, RuleSource::Rules(rules), named)
    }

    #[staticmethod]
    fn of_policy(py: Python<'_>, name: policy_name::PolicyName) -> PyResult<Self> {
        let named = http::NamedRules::from(&name.0);
        Self::from_parts(py, RuleSource::Policy(name.0), named)
    }

    #[staticmethod]
    fn of_rules(py: Python<'_>, rules: Pairs) -> PyResult<Self> {
        let named = http::NamedRules::from(&rules.0);
        Self::from_parts(py, RuleSource::Rules(rules.0), named)
    }

    #[staticmethod]
    fn paced(py: Python<'_>, rule: &str) -> PyResult<Self> {
        let rule: Rule = rule.parse().map_err(|error| value_error(&error))?;
        let paced = pace(rule).ok_or_else(|| {
            PyValueError::new_err(format!("the pace {rule} lets nothing proceed"))
        })?;
        let rules = Rules::one(paced);
        let named = http::NamedRules::from(&rules);
        Self::from_parts(py, RuleSource::Rules(rules), named)
    }

    #[getter]
    fn policy(&self) -> Option<&str> {
        match &self.source {
            RuleSource::Rules(_) => None,
            RuleSource::Policy(name) => Some(name.as_str()),
        }
    }

    #[getter]
    fn rules<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        match &self.source {
            RuleSource::Rules(rules) => PyTuple::new(py, pairs(rules)),
            RuleSource::Policy(_) => Ok(PyTuple::empty(py)),
        }
    }

    #[getter]
    fn args<'py>(&self, py: Python<'py>) -> &Bound<'py, PyTuple> {
        self.args.bind(py)
    }

    #[getter]
    fn script_args<'py>(&self, py: Python<'py>) -> &Bound<'py, PyTuple> {
        self.script_args.bind(py)
    }

    fn __str__(&self) -> String {
        match &self.source {
            RuleSource::Rules(rules) => rules.to_string(),
            RuleSource::Policy(name) => name.to_string(),
        }
    }

    fn __repr__(&self) -> String {
        match &self.source {
            RuleSource::Rules(rules) => format!("Limits('{rules}')"),
            RuleSource::Policy(name) => format!("Limits.of_policy('{name}')"),
        }
    }
}

impl Limits {
    /// The rules of a policy that this process knows.
    pub(crate) fn of_known_policy(
        py: Python<'_>,
        name: &PolicyName,
        rules: &Rules,
    ) -> PyResult<Self> {
        let named = http::NamedRules::of_policy(name, rules);
        Self::from_parts(py, RuleSource::Rules(rules.clone()), named)
    }

    fn from_parts(
        py: Python<'_>,
        source: OwnedRuleSource,
        named: http::NamedRules,
    ) -> PyResult<Self> {
        let args = PyTuple::new(py, args(&source))?.unbind();
        let script_args = PyTuple::new(py, script_args(&source))?.unbind();
        Ok(Self { source, named, args, script_args })
    }

    /// Borrows the rules or the policy's name.
    pub(crate) fn rule_source(&self) -> RuleSource<&Rules, &PolicyName> {
        self.source.as_borrowed()
    }

    pub(crate) fn check(&self, cost: Cost) -> Check<'_> {
        Check::new(self.rule_source()).cost(cost)
    }

    pub(crate) fn named(&self) -> &http::NamedRules {
        &self.named
    }

    /// The rules, or `ValueError` for a policy.
    pub(crate) fn only_rules(&self) -> PyResult<&Rules> {
        match &self.source {
            RuleSource::Rules(rules) => Ok(rules),
            RuleSource::Policy(name) => {
                Err(PyValueError::new_err(format!("expected rules, not the policy '{name}'")))
            }
        }
    }
}

impl PartialEq for Limits {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source && self.named == other.named
    }
}

impl Hash for Limits {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.source.hash(state);
    }
}

fn args(source: &OwnedRuleSource) -> Vec<String> {
    let rule_args = |(limit, window)| [format!("{limit}"), format!("{window}ms")];
    match source {
        RuleSource::Rules(rules) => pairs(rules).into_iter().flat_map(rule_args).collect(),
        RuleSource::Policy(name) => vec!["POLICY".to_owned(), name.to_string()],
    }
}

fn script_args(source: &OwnedRuleSource) -> Vec<String> {
    let RuleSource::Rules(rules) = source else { return Vec::new() };
    let pairs = pairs(rules);
    let count = pairs.len().to_string();
    let rule_args = |(limit, window): (u64, u64)| [limit.to_string(), window.to_string()];
    std::iter::once(count).chain(pairs.into_iter().flat_map(rule_args)).collect()
}
