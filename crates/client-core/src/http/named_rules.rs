use std::fmt;

use ratelog_core::{PolicyName, Rule, Rules};
use sfv::{KeyRef, ListSerializer, StringRef, key_ref};

use super::integer::{integer, seconds};

/// The rules of a limit, each with the name that responses report it under.
///
/// From [`Rules`], a rule is named by its text, such as `100/minute`. [`NamedRules::new`] takes other names. From a
/// [`PolicyName`] the rules are not known in advance: a rule is listed when a decision reports it, named by the policy
/// and its text, such as `search:100/minute`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedRules {
    listed: Vec<NamedRule>,
    policy: Option<PolicyName>,
    /// The prefix of all names.
    prefix: String,
    /// The `RateLimit-Policy` of the listed rules; empty if there are none.
    policy_header: String,
}

/// A rule and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NamedRule {
    pub(super) name: sfv::String,
    pub(super) rule: Rule,
}

impl NamedRules {
    /// The rules, with one name each, in order.
    ///
    /// # Errors
    /// [`NameError`] if the number of names is not the number of rules, if a name is empty or given twice, or if it has
    /// a character that a String of RFC 9651 cannot have: only visible ASCII characters and spaces are allowed.
    pub fn new<N: Into<String>>(
        rules: &Rules,
        names: impl IntoIterator<Item = N>,
    ) -> Result<Self, NameError> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let expected = rules.iter().count();
        if names.len() != expected {
            return Err(NameError(Kind::Count { names: names.len(), rules: expected }));
        }
        let mut listed: Vec<NamedRule> = Vec::with_capacity(expected);
        for (name, rule) in names.into_iter().zip(rules.iter()) {
            let name = parse_name(name)?;
            if listed.iter().any(|listed| listed.name == name) {
                return Err(NameError(Kind::Duplicate(name.into())));
            }
            listed.push(NamedRule { name, rule });
        }
        Ok(Self::from_listed(listed, None))
    }

    /// The rules of a policy if you know them, so that responses list all of them.
    ///
    /// If the server stores other rules under the name, responses also list the rule that a decision reports.
    #[must_use]
    pub fn of_policy(name: &PolicyName, rules: &Rules) -> Self {
        Self::named_by_text(rules, Some(name.clone()))
    }

    fn named_by_text(rules: &Rules, policy: Option<PolicyName>) -> Self {
        let mut listed: Vec<NamedRule> = Vec::new();
        for rule in rules.iter() {
            let named = NamedRule { name: default_name(rule, policy.as_ref()), rule };
            if !listed.contains(&named) {
                listed.push(named);
            }
        }
        Self::from_listed(listed, policy)
    }

    fn from_listed(listed: Vec<NamedRule>, policy: Option<PolicyName>) -> Self {
        let policy_header = policy_header(&listed);
        Self { listed, policy, prefix: String::new(), policy_header }
    }

    /// The same rules, with their position in a set as the prefix of all names.
    pub(super) fn with_prefix(self, position: usize) -> Self {
        let Self { mut listed, policy, prefix, .. } = self;
        for NamedRule { name, .. } in &mut listed {
            *name = ascii(format!("{position}:{name}"));
        }
        let policy_header = policy_header(&listed);
        Self { listed, policy, prefix: format!("{position}:{prefix}"), policy_header }
    }

    /// Whether a rule of one could have the same name as a rule of the other.
    pub(super) fn conflicts_with(&self, other: &Self) -> bool {
        let same_policy = self.policy.is_some() && self.policy == other.policy;
        let same_name = other.listed.iter().any(|listed| self.has_name(&listed.name));
        same_name || (same_policy && self.prefix == other.prefix)
    }

    /// The `RateLimit-Policy` of the listed rules; empty if there are none.
    pub(super) fn policy_header(&self) -> &str {
        &self.policy_header
    }

    pub(super) fn has_name(&self, name: &StringRef) -> bool {
        self.listed.iter().any(|listed| *listed.name == *name)
    }

    /// The name of `rule`, if it is listed.
    pub(super) fn name_of(&self, rule: Rule) -> Option<&StringRef> {
        self.listed.iter().find(|listed| listed.rule == rule).map(|listed| &*listed.name)
    }

    /// An unused name for `rule`, which is not listed.
    pub(super) fn unlisted_name(
        &self,
        rule: Rule,
        is_used: impl Fn(&StringRef) -> bool,
    ) -> sfv::String {
        let default = default_name(rule, self.policy.as_ref());
        let mut name = ascii(format!("{}{default}", self.prefix));
        while is_used(&name) {
            name = ascii(format!("now:{name}"));
        }
        name
    }
}

impl From<&Rules> for NamedRules {
    fn from(rules: &Rules) -> Self {
        Self::named_by_text(rules, None)
    }
}

impl From<&PolicyName> for NamedRules {
    fn from(name: &PolicyName) -> Self {
        Self::from_listed(Vec::new(), Some(name.clone()))
    }
}

fn default_name(rule: Rule, policy: Option<&PolicyName>) -> sfv::String {
    ascii(policy.map_or_else(|| rule.to_string(), |policy| format!("{policy}:{rule}")))
}

/// Converts text that is known to be ASCII: the text of a rule, with or without a prefix.
fn ascii(text: String) -> sfv::String {
    sfv::String::from_string(text).unwrap_or_default()
}

/// The value of a `RateLimit-Policy` header that lists these rules.
pub(super) fn policy_header(rules: &[NamedRule]) -> String {
    const QUOTA: &KeyRef = key_ref("q");
    const WINDOW: &KeyRef = key_ref("w");
    let mut list = ListSerializer::new();
    for NamedRule { name, rule } in rules {
        let window = seconds(rule.window().millis());
        let _ = list
            .bare_item(&**name)
            .parameter(QUOTA, integer(rule.limit().units()))
            .parameter(WINDOW, integer(window));
    }
    list.finish().unwrap_or_default()
}

fn parse_name(name: String) -> Result<sfv::String, NameError> {
    if name.is_empty() {
        return Err(NameError(Kind::Empty));
    }
    match sfv::String::from_string(name) {
        Ok(name) => Ok(name),
        Err((_, name)) => {
            let at = name.chars().position(|c| !matches!(c, ' '..='~')).unwrap_or_default();
            Err(NameError(Kind::Character { name, at }))
        }
    }
}

/// The error for names that cannot be the names of a limit's rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameError(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Count { names: usize, rules: usize },
    Empty,
    Duplicate(String),
    Character { name: String, at: usize },
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Count { names, rules } => write!(f, "{names} names are given to {rules} rules"),
            Kind::Empty => f.write_str("the name of a rule is empty"),
            Kind::Duplicate(name) => write!(f, "the name {name:?} is given to two rules"),
            Kind::Character { name, at } => {
                write!(f, "character {} of the name {name:?} is not visible ASCII", at + 1)
            }
        }
    }
}

impl std::error::Error for NameError {}

#[cfg(test)]
mod tests {
    use super::NamedRules;
    use ratelog_core::{Limit, Rule, Rules, Window};

    fn rules(each: &[(u32, u64)]) -> Rules {
        Rules::new(each.iter().map(|&(limit, millis)| {
            Rule::new(Limit::new(limit), Window::from_millis(millis).unwrap())
        }))
        .unwrap()
    }

    #[test]
    fn a_rule_that_is_given_twice_is_listed_once() {
        let named = NamedRules::from(&rules(&[(5, 1_000), (5, 1_000)]));
        assert_eq!(named.listed.len(), 1);
    }

    #[test]
    fn an_error_says_which_name_is_wrong_and_why() {
        let two = rules(&[(10, 1_000), (100, 60_000)]);
        let invalid: [(&[&str], &str); 6] = [
            (&["burst"], "1 names are given to 2 rules"),
            (&["a", "b", "c"], "3 names are given to 2 rules"),
            (&["burst", ""], "the name of a rule is empty"),
            (&["burst", "burst"], r#"the name "burst" is given to two rules"#),
            (&["burst", "täglich"], r#"character 2 of the name "täglich" is not visible ASCII"#),
            (&["burst", "a\n"], r#"character 2 of the name "a\n" is not visible ASCII"#),
        ];
        for (names, text) in invalid {
            let error = NamedRules::new(&two, names.iter().copied()).unwrap_err();
            assert_eq!(error.to_string(), text);
        }
    }
}
