use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use ratelog_core::{Decision, Mode, Policy, PolicyName, Rules};

/// What a check of one key is decided by, where the server does not know it.
#[derive(Clone, Debug)]
pub struct Terms<'a> {
    /// The rules.
    pub rules: Held<'a>,
    /// Whether they are in force, or on trial.
    pub mode: Mode,
}

/// Rules that are the caller's, or a policy's; small, where rules are not.
#[derive(Clone, Debug)]
pub enum Held<'a> {
    /// The caller's.
    Given(&'a Rules),
    /// The caller's one rule.
    One(Box<Rules>),
    /// A policy's.
    Policy(Arc<Policy>),
}

impl Deref for Held<'_> {
    type Target = Rules;

    fn deref(&self) -> &Rules {
        match self {
            Self::Given(rules) => rules,
            Self::One(rule) => rule,
            Self::Policy(policy) => &policy.rules,
        }
    }
}

/// The decision as it is told under a policy of this mode: what rules on trial deny is answered as allowed.
///
/// ```
/// use ratelog_client_core::{FixedOutcome, fallback_decision, apply_mode};
/// use ratelog_core::{Cost, Mode};
///
/// let denied = fallback_decision(FixedOutcome::Deny(5_000), None, Cost::ONE);
/// assert!(!apply_mode(Mode::Enforce, denied).allowed);
/// let told = apply_mode(Mode::Shadow, denied);
/// assert_eq!((told.allowed, told.retry_after), (true, Some(0)));
/// ```
#[must_use]
pub fn apply_mode(mode: Mode, decided: Decision) -> Decision {
    if mode == Mode::Enforce || decided.allowed {
        return decided;
    }
    Decision { allowed: true, retry_after: Some(0), ..decided }
}

/// A policy that this process does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownPolicy(pub(crate) PolicyName);

impl fmt::Display for UnknownPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no policy named '{}' is known in this process", self.0)
    }
}

impl std::error::Error for UnknownPolicy {}
