use std::str::FromStr;
use std::sync::Arc;

use ratelog_core::{OwnedRuleSource, ParseRulesError};

use crate::http::NamedRules;
use crate::{Check, Cost, PolicyName, RuleSource, Rules};

/// The limits of a route: rules or a policy, their names in responses, the cost of a request, and a prefix for keys.
///
/// Create one from [`Rules`], from a [`PolicyName`], or from rules as text. Cheap to clone.
///
/// ```
/// use ratelog_client::http::NamedRules;
/// use ratelog_client::tower::RouteLimits;
/// use ratelog_client::{Cost, PolicyName, Rules};
///
/// let plain: RouteLimits = "100/minute".parse()?;
///
/// let rules: Rules = "10/second; 1000/day".parse()?;
/// let names = NamedRules::new(&rules, ["burst", "daily"])?;
/// let search = RouteLimits::from(rules).named_rules(names).key_prefix("search:");
///
/// let policy = PolicyName::parse(b"export").ok_or("no name")?;
/// let export = RouteLimits::from(policy).cost(Cost::new(10).ok_or("no cost")?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct RouteLimits {
    shared: Arc<Shared>,
    cost: Cost,
}

#[derive(Clone, Debug)]
struct Shared {
    rule_source: OwnedRuleSource,
    named_rules: NamedRules,
    key_prefix: String,
}

impl RouteLimits {
    fn new(rule_source: OwnedRuleSource, named_rules: NamedRules) -> Self {
        let shared = Shared { rule_source, named_rules, key_prefix: String::new() };
        Self { shared: Arc::new(shared), cost: Cost::ONE }
    }

    /// The same limits for requests of this cost. Default: one unit.
    #[must_use]
    pub fn cost(self, cost: Cost) -> Self {
        Self { cost, ..self }
    }

    /// The same limits, reported as `named_rules`: with other names, or with the rules of a policy that you know.
    #[must_use]
    pub fn named_rules(self, named_rules: NamedRules) -> Self {
        self.with(|shared| shared.named_rules = named_rules)
    }

    /// The same limits, with a prefix for the keys, so that this route has counts of its own.
    #[must_use]
    pub fn key_prefix(self, prefix: impl Into<String>) -> Self {
        self.with(|shared| shared.key_prefix = prefix.into())
    }

    fn with(self, change: impl FnOnce(&mut Shared)) -> Self {
        let mut shared = Arc::unwrap_or_clone(self.shared);
        change(&mut shared);
        Self { shared: Arc::new(shared), ..self }
    }

    pub(super) fn names(&self) -> &NamedRules {
        &self.shared.named_rules
    }

    pub(super) fn check(&self) -> Check<'_> {
        Check::new(self.shared.rule_source.as_borrowed()).cost(self.cost)
    }

    /// The key with this route's prefix.
    pub(super) fn prefixed_key(&self, key: Vec<u8>) -> Vec<u8> {
        if self.shared.key_prefix.is_empty() {
            return key;
        }
        [self.shared.key_prefix.as_bytes(), &key].concat()
    }
}

impl From<Rules> for RouteLimits {
    fn from(rules: Rules) -> Self {
        let named_rules = NamedRules::from(&rules);
        Self::new(RuleSource::Rules(rules), named_rules)
    }
}

impl From<PolicyName> for RouteLimits {
    fn from(name: PolicyName) -> Self {
        let named_rules = NamedRules::from(&name);
        Self::new(RuleSource::Policy(name), named_rules)
    }
}

impl TryFrom<&str> for RouteLimits {
    type Error = ParseRulesError;

    /// Parses the text of rules.
    fn try_from(text: &str) -> Result<Self, ParseRulesError> {
        text.parse()
    }
}

impl FromStr for RouteLimits {
    type Err = ParseRulesError;

    /// Parses the text of rules.
    ///
    /// # Errors
    /// As for [`Rules`].
    fn from_str(text: &str) -> Result<Self, ParseRulesError> {
        text.parse::<Rules>().map(Self::from)
    }
}
