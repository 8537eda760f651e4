use std::collections::HashMap;

use pyo3::exceptions::PyLookupError;
use pyo3::prelude::*;
use ratelog_caller as caller;
use ratelog_caller::Under;
use ratelog_core::{Mode, Policy};

use crate::limits::Limits;
use crate::policy_name::Name;
use crate::rules::Pairs;

#[pyclass(frozen, module = "ratelog._core")]
pub(crate) struct Policies(caller::Policies);

#[pymethods]
impl Policies {
    #[new]
    #[pyo3(signature = (given = HashMap::new()))]
    fn new(given: HashMap<Name, Bound<'_, Limits>>) -> PyResult<Self> {
        let given = given.into_iter().map(|(name, limits)| {
            let rules = limits.get().only_rules()?.clone();
            Ok((name.0, Policy { rules, mode: Mode::Enforce }))
        });
        Ok(Self(caller::Policies::new(given.collect::<PyResult<_>>()?)))
    }

    fn wants(&self, name: Name) -> bool {
        self.0.wants(&name.0)
    }

    fn learn(&self, name: Name, rules: Option<Pairs>, shadow: bool) {
        let mode = if shadow { Mode::Shadow } else { Mode::Enforce };
        self.0.learn(name.0, rules.map(|rules| Policy { rules: rules.0, mode }));
    }

    fn terms<'py>(&self, limits: Bound<'py, Limits>) -> PyResult<(Bound<'py, Limits>, bool)> {
        let Under::Policy(name) = limits.get().under() else { return Ok((limits, false)) };
        let terms = self.0.terms(Under::Policy(name));
        let terms = terms.map_err(|error| PyLookupError::new_err(error.to_string()))?;
        let known = Limits::known(limits.py(), name, &terms.rules)?;
        Ok((Bound::new(limits.py(), known)?, terms.mode == Mode::Shadow))
    }
}
