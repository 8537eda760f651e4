use std::collections::HashMap;

use pyo3::exceptions::{PyLookupError, PyValueError};
use pyo3::prelude::*;
use ratelog_caller as caller;
use ratelog_caller::Under;
use ratelog_core::{Mode, Policy};

use crate::limits::Limits;
use crate::rules::Pairs;

#[pyclass(frozen, module = "ratelog._core")]
pub(crate) struct Policies(caller::Policies);

#[pymethods]
impl Policies {
    #[new]
    #[pyo3(signature = (policies = HashMap::new()))]
    fn new(policies: HashMap<PolicyName, Bound<'_, Limits>>) -> PyResult<Self> {
        let policies = policies.into_iter().map(|(name, limits)| {
            let rules = limits.get().only_rules()?.clone();
            Ok((name.0, Policy { rules, mode: Mode::Enforce }))
        });
        Ok(Self(caller::Policies::new(policies.collect::<PyResult<_>>()?)))
    }

    fn should_fetch(&self, name: PolicyName) -> bool {
        self.0.wants(&name.0)
    }

    fn insert(&self, name: PolicyName, rules: Option<Pairs>, shadow: bool) {
        let mode = if shadow { Mode::Shadow } else { Mode::Enforce };
        self.0.learn(name.0, rules.map(|rules| Policy { rules: rules.0, mode }));
    }

    fn resolve<'py>(&self, limits: Bound<'py, Limits>) -> PyResult<(Bound<'py, Limits>, bool)> {
        let Under::Policy(name) = limits.get().under() else { return Ok((limits, false)) };
        let policy = self.0.terms(Under::Policy(name));
        let policy = policy.map_err(|error| PyLookupError::new_err(error.to_string()))?;
        let known = Limits::of_known_policy(limits.py(), name, &policy.rules)?;
        Ok((Bound::new(limits.py(), known)?, policy.mode == Mode::Shadow))
    }
}

#[derive(PartialEq, Eq, Hash)]
pub(crate) struct PolicyName(pub(crate) ratelog_core::PolicyName);

impl FromPyObject<'_, '_> for PolicyName {
    type Error = PyErr;

    fn extract(name: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let name: &str = name.extract()?;
        name.parse()
            .map(Self)
            .map_err(|error| PyValueError::new_err(format!("{error}, not {name:?}")))
    }
}
