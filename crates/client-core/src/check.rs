use std::hash::{Hash, Hasher};

use ratelog_core::{Cost, PolicyName, Rule, RuleSource, Rules};

/// A check without its key: the rules or the policy to apply, and how many units it uses.
///
/// Create one from [`Rules`] or a [`PolicyName`]. It costs one unit unless you set [`cost`](Self::cost).
///
/// ```
/// use ratelog_client_core::Check;
/// use ratelog_core::{Cost, Rules};
///
/// let rules: Rules = "100/minute".parse()?;
/// let check = Check::from(&rules).cost(Cost::new(5).ok_or("no cost")?);
/// assert_eq!(check.units().units(), 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check<'a> {
    rule_source: RuleSource<&'a Rules, &'a PolicyName>,
    cost: Cost,
}

impl<'a> Check<'a> {
    /// A check of one unit.
    #[must_use]
    pub const fn new(rule_source: RuleSource<&'a Rules, &'a PolicyName>) -> Self {
        Self { rule_source, cost: Cost::ONE }
    }

    /// The same check for `cost` units.
    #[must_use]
    pub const fn cost(self, cost: Cost) -> Self {
        Self { cost, ..self }
    }

    /// The rules to apply, or the policy that has them.
    #[must_use]
    pub const fn rule_source(&self) -> RuleSource<&'a Rules, &'a PolicyName> {
        self.rule_source
    }

    /// The units that the check uses.
    #[must_use]
    pub const fn units(&self) -> Cost {
        self.cost
    }
}

impl Hash for Check<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.rule_source {
            RuleSource::Rules(rules) => {
                for rule in rules.iter() {
                    (rule.limit().units(), rule.window().millis()).hash(state);
                }
            }
            RuleSource::Policy(name) => name.hash(state),
        }
        self.cost.units().hash(state);
    }
}

impl<'a> From<&'a Rules> for Check<'a> {
    fn from(rules: &'a Rules) -> Self {
        Self::new(rules.into())
    }
}

impl<'a> From<&'a PolicyName> for Check<'a> {
    fn from(name: &'a PolicyName) -> Self {
        Self::new(name.into())
    }
}

/// One check of several keys, all or nothing: the units are recorded on every key or on none.
///
/// Each key has one rule, or a policy with any number of rules. A key that you add twice uses twice the units. In a
/// cluster all keys must be in one slot; give them a common hash tag.
///
/// ```
/// use ratelog_client_core::Checks;
/// use ratelog_core::{Cost, PolicyName, Rules};
///
/// let rules: Rules = "100/minute".parse()?;
/// let policy = PolicyName::parse(b"per-tenant").ok_or("no name")?;
/// let checks = Checks::new(Cost::ONE, "user:{42}", rules.first()).and("tenant:{42}", &policy);
/// assert_eq!(checks.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::len_without_is_empty, reason = "there is at least one key")]
pub struct Checks<'a> {
    cost: Cost,
    keys: Vec<(Vec<u8>, RuleSource<Rule, &'a PolicyName>)>,
}

impl<'a> Checks<'a> {
    /// A check of `cost` units on `key`, and on each key that you add.
    pub fn new(
        cost: Cost,
        key: impl AsRef<[u8]>,
        rule_source: impl Into<RuleSource<Rule, &'a PolicyName>>,
    ) -> Self {
        Self { cost, keys: Vec::new() }.and(key, rule_source)
    }

    /// The same check with one more key.
    #[must_use]
    pub fn and(
        mut self,
        key: impl AsRef<[u8]>,
        rule_source: impl Into<RuleSource<Rule, &'a PolicyName>>,
    ) -> Self {
        self.keys.push((key.as_ref().to_vec(), rule_source.into()));
        self
    }

    /// The units that the check uses on each key.
    #[must_use]
    pub const fn units(&self) -> Cost {
        self.cost
    }

    /// The number of keys; at least one.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The keys in the order added, each with its rule or policy.
    pub fn keys(&self) -> impl Iterator<Item = (&[u8], RuleSource<Rule, &'a PolicyName>)> {
        self.keys.iter().map(|(key, rule_source)| (key.as_slice(), *rule_source))
    }
}
