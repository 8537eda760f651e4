use std::str::FromStr;
use std::sync::Arc;

use ratelog_core::ParseRulesError;

use crate::http::NamedRules;
use crate::{Check, Cost, PolicyName, Rules};

/// What limits a request: rules or a policy, how the response tells of them, and what the request costs.
///
/// Made of [`Rules`], of a [`PolicyName`], or of the text of rules. Cheap to clone.
///
/// ```
/// use ratelog_client::http::NamedRules;
/// use ratelog_client::tower::RouteLimits;
/// use ratelog_client::{Cost, PolicyName, Rules};
///
/// let plain: RouteLimits = "100/minute".parse()?;
///
/// let rules: Rules = "10/second; 1000/day".parse()?;
/// let limits = NamedRules::named(&rules, ["burst", "daily"])?;
/// let search = RouteLimits::from(rules).limits(limits).key_prefix("search:");
///
/// let policy = PolicyName::parse(b"export").ok_or("no name")?;
/// let export = RouteLimits::from(policy).cost(Cost::new(10).ok_or("no cost")?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct RouteLimits {
    terms: Arc<Terms>,
    cost: Cost,
}

#[derive(Clone, Debug)]
struct Terms {
    under: Under,
    limits: NamedRules,
    key_prefix: String,
}

#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "it is behind a reference")]
enum Under {
    Rules(Rules),
    Policy(PolicyName),
}

impl RouteLimits {
    fn of(under: Under, limits: NamedRules) -> Self {
        let terms = Terms { under, limits, key_prefix: String::new() };
        Self { terms: Arc::new(terms), cost: Cost::ONE }
    }

    /// The same route, for requests that cost as much; they cost one unit unless told otherwise.
    #[must_use]
    pub fn cost(self, cost: Cost) -> Self {
        Self { cost, ..self }
    }

    /// The same route, told of as `limits` has it: with other names for its rules, or, for a policy, with the rules that
    /// the server keeps.
    #[must_use]
    pub fn limits(self, limits: NamedRules) -> Self {
        self.with(|terms| terms.limits = limits)
    }

    /// The same route, its keys after this prefix, so that its units are counted apart from those of other routes.
    #[must_use]
    pub fn key_prefix(self, prefix: impl Into<String>) -> Self {
        self.with(|terms| terms.key_prefix = prefix.into())
    }

    fn with(self, change: impl FnOnce(&mut Terms)) -> Self {
        let mut terms = Arc::unwrap_or_clone(self.terms);
        change(&mut terms);
        Self { terms: Arc::new(terms), ..self }
    }

    pub(super) fn told(&self) -> &NamedRules {
        &self.terms.limits
    }

    pub(super) fn check(&self) -> Check<'_> {
        let check = match &self.terms.under {
            Under::Rules(rules) => Check::from(rules),
            Under::Policy(name) => Check::from(name),
        };
        check.cost(self.cost)
    }

    /// The whole key of what is counted as `key` on this route.
    pub(super) fn key(&self, key: Vec<u8>) -> Vec<u8> {
        if self.terms.key_prefix.is_empty() {
            return key;
        }
        [self.terms.key_prefix.as_bytes(), &key].concat()
    }
}

impl From<Rules> for RouteLimits {
    fn from(rules: Rules) -> Self {
        let limits = NamedRules::from(&rules);
        Self::of(Under::Rules(rules), limits)
    }
}

impl From<PolicyName> for RouteLimits {
    fn from(name: PolicyName) -> Self {
        let limits = NamedRules::from(&name);
        Self::of(Under::Policy(name), limits)
    }
}

impl FromStr for RouteLimits {
    type Err = ParseRulesError;

    /// The route of rules as text.
    ///
    /// # Errors
    /// As [`Rules`] do.
    fn from_str(text: &str) -> Result<Self, ParseRulesError> {
        text.parse::<Rules>().map(Self::from)
    }
}
