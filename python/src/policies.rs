use std::collections::HashMap;

use pyo3::exceptions::PyLookupError;
use pyo3::prelude::*;
use ratelog_client_core::{Clock, engine};
use ratelog_core::{Mode, Policy, RuleSource, Rules};

use crate::limits::Limits;
use crate::manual_clock::{self, ManualClock};
use crate::policy_name::PolicyName;
use crate::rules::Pairs;

#[pyclass(frozen, module = "ratelog._core")]
pub(crate) struct Policies {
    policies: engine::Policies,
    clock: Clock,
}

#[pymethods]
impl Policies {
    #[new]
    #[pyo3(signature = (policies = HashMap::new(), *, clock = None))]
    fn new(
        policies: HashMap<PolicyName, Bound<'_, Limits>>,
        clock: Option<&ManualClock>,
    ) -> PyResult<Self> {
        let policies = policies.into_iter().map(|(name, limits)| {
            let rules = limits.get().only_rules()?.clone();
            Ok((name.0, Policy { rules, mode: Mode::Enforce }))
        });
        let policies = engine::Policies::new(policies.collect::<PyResult<_>>()?);
        Ok(Self { policies, clock: manual_clock::clock(clock) })
    }

    fn should_fetch(&self, name: PolicyName) -> bool {
        self.policies.should_fetch(&name.0, self.clock.monotonic())
    }

    fn insert(&self, name: PolicyName, rules: Option<Pairs>, shadow: bool) {
        let mode = if shadow { Mode::Shadow } else { Mode::Enforce };
        let policy = rules.map(|rules| Policy { rules: rules.0, mode });
        self.policies.insert(name.0, policy, self.clock.monotonic());
    }

    fn fetch_failed(&self, name: PolicyName) {
        self.policies.fetch_failed(&name.0);
    }

    fn resolve<'py>(&self, limits: Bound<'py, Limits>) -> PyResult<(Bound<'py, Limits>, bool)> {
        let RuleSource::Policy(name) = limits.get().rule_source() else {
            return Ok((limits, false));
        };
        let resolved = self.policies.resolve(RuleSource::<Rules, _>::Policy(name));
        let resolved = resolved.map_err(|error| PyLookupError::new_err(error.to_string()))?;
        let known = Limits::of_known_policy(limits.py(), name, resolved.rules())?;
        Ok((Bound::new(limits.py(), known)?, resolved.mode() == Mode::Shadow))
    }
}
