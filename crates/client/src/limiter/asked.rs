use ratelog_core::{Cost, PolicyName, Rules};

use crate::{Check, Under};

/// A check that outlives its caller.
pub(super) struct Asked {
    under: Kept,
    cost: Cost,
}

#[allow(clippy::large_enum_variant, reason = "it lives for one round trip")]
enum Kept {
    Rules(Rules),
    Policy(PolicyName),
}

impl Asked {
    pub(super) fn check(&self) -> Check<'_> {
        match &self.under {
            Kept::Rules(rules) => Check::from(rules),
            Kept::Policy(name) => Check::from(name),
        }
        .cost(self.cost)
    }
}

impl From<Check<'_>> for Asked {
    fn from(check: Check<'_>) -> Self {
        let under = match check.under() {
            Under::Rules(rules) => Kept::Rules(rules.clone()),
            Under::Policy(name) => Kept::Policy(name.clone()),
        };
        Self { under, cost: check.units() }
    }
}
