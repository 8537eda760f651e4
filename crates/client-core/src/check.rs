use ratelog_core::{Cost, PolicyName, Rule, Rules};

/// What a check is decided under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Under<'a, R> {
    /// These rules.
    Rules(R),
    /// The rules that the server keeps by this name.
    Policy(&'a PolicyName),
}

/// One check, but for its key: what it is decided under, and how many units it uses.
///
/// Made of rules or the name of a policy; it costs one unit unless told otherwise.
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
    under: Under<'a, &'a Rules>,
    cost: Cost,
}

impl<'a> Check<'a> {
    /// The same check for `cost` units.
    #[must_use]
    pub const fn cost(self, cost: Cost) -> Self {
        Self { cost, ..self }
    }

    /// What it is decided under.
    #[must_use]
    pub const fn under(&self) -> Under<'a, &'a Rules> {
        self.under
    }

    /// The units that it uses.
    #[must_use]
    pub const fn units(&self) -> Cost {
        self.cost
    }
}

impl<'a> From<&'a Rules> for Check<'a> {
    fn from(rules: &'a Rules) -> Self {
        Self { under: Under::Rules(rules), cost: Cost::ONE }
    }
}

impl<'a> From<&'a PolicyName> for Check<'a> {
    fn from(policy: &'a PolicyName) -> Self {
        Self { under: Under::Policy(policy), cost: Cost::ONE }
    }
}

/// One check of several keys, all or nothing: the units are recorded at every key or at none.
///
/// A key has one rule, or a policy of as many as that has. A key that is given twice uses twice the units. In a cluster
/// all keys must be in one slot, which a hash tag sees to.
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
#[allow(clippy::len_without_is_empty, reason = "there is always a key")]
pub struct Checks<'a> {
    cost: Cost,
    keys: Vec<(Vec<u8>, Under<'a, Rule>)>,
}

impl<'a> Checks<'a> {
    /// A check of `cost` units at `key`, and at those to be added.
    pub fn new(cost: Cost, key: impl AsRef<[u8]>, under: impl Into<Under<'a, Rule>>) -> Self {
        Self { cost, keys: Vec::new() }.and(key, under)
    }

    /// The same check, of one more key.
    #[must_use]
    pub fn and(mut self, key: impl AsRef<[u8]>, under: impl Into<Under<'a, Rule>>) -> Self {
        self.keys.push((key.as_ref().to_vec(), under.into()));
        self
    }

    /// The units that it uses at each key.
    #[must_use]
    pub const fn units(&self) -> Cost {
        self.cost
    }

    /// How many keys it has; one or more.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The keys in the order given, each with what it is decided under.
    pub fn keys(&self) -> impl Iterator<Item = (&[u8], Under<'a, Rule>)> {
        self.keys.iter().map(|(key, under)| (key.as_slice(), *under))
    }
}

impl From<Rule> for Under<'_, Rule> {
    fn from(rule: Rule) -> Self {
        Self::Rules(rule)
    }
}

impl<'a> From<&'a PolicyName> for Under<'a, Rule> {
    fn from(policy: &'a PolicyName) -> Self {
        Self::Policy(policy)
    }
}
