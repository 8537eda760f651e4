use std::fmt;

use sfv::{KeyRef, ListSerializer, StringRef, key_ref};

use super::headers::{integer, seconds};
use ratelog_core::{PolicyName, Rule, Rules};

/// The limits of a route as HTTP tells of them: its rules, each under a name.
///
/// Made from [`Rules`], a rule is named by its text, such as `100/minute`; [`NamedRules::named`] takes other names. Made
/// from a [`PolicyName`], for rules that the server keeps, a rule is named by policy and text, such as
/// `search:100/minute`, as soon as a decision tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedRules {
    listed: Vec<Item>,
    policy: Option<PolicyName>,
    /// What the names begin with.
    prefix: String,
    /// The `RateLimit-Policy` of the listed rules; empty if there are none.
    field: String,
}

/// A rule under its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) name: sfv::String,
    pub(super) rule: Rule,
}

impl NamedRules {
    /// The limits of `rules`, named in their order.
    ///
    /// # Errors
    /// [`NameError`] where there are fewer or more names than rules, and for a name that is empty, is given twice, or
    /// holds what a quoted String of RFC 9651 cannot: anything but visible ASCII and spaces.
    pub fn named<N: Into<String>>(
        rules: &Rules,
        names: impl IntoIterator<Item = N>,
    ) -> Result<Self, NameError> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let wanted = rules.iter().count();
        if names.len() != wanted {
            return Err(NameError(Wrong::Count { names: names.len(), rules: wanted }));
        }
        let mut listed: Vec<Item> = Vec::with_capacity(wanted);
        for (name, rule) in names.into_iter().zip(rules.iter()) {
            let name = checked(name)?;
            if listed.iter().any(|item| item.name == name) {
                return Err(NameError(Wrong::Twice(name.into())));
            }
            listed.push(Item { name, rule });
        }
        Ok(Self::of(listed, None))
    }

    /// The limits of the policy `name` whose rules are known to be `rules`, so that each of them can be told.
    ///
    /// Where the server keeps other rules under the name, the one that a decision tells of is told besides.
    #[must_use]
    pub fn of_policy(name: &PolicyName, rules: &Rules) -> Self {
        Self::by_text(rules, Some(name.clone()))
    }

    fn by_text(rules: &Rules, policy: Option<PolicyName>) -> Self {
        let mut listed: Vec<Item> = Vec::new();
        for rule in rules.iter() {
            let item = Item { name: text_of(rule, policy.as_ref()), rule };
            if !listed.contains(&item) {
                listed.push(item);
            }
        }
        Self::of(listed, policy)
    }

    fn of(listed: Vec<Item>, policy: Option<PolicyName>) -> Self {
        let field = policy_field(&listed);
        Self { listed, policy, prefix: String::new(), field }
    }

    /// The same, with names that begin with a place among several.
    pub(super) fn prefixed(self, place: usize) -> Self {
        let Self { mut listed, policy, prefix, .. } = self;
        for Item { name, .. } in &mut listed {
            *name = plain(format!("{place}:{name}"));
        }
        let field = policy_field(&listed);
        Self { listed, policy, prefix: format!("{place}:{prefix}"), field }
    }

    /// Whether a rule of the one could have the name of a rule of the other's.
    pub(super) fn is_confused_with(&self, other: &Self) -> bool {
        let is_of_one_policy = self.policy.is_some() && self.policy == other.policy;
        let has_a_name = other.listed.iter().any(|item| self.has_name(&item.name));
        has_a_name || (is_of_one_policy && self.prefix == other.prefix)
    }

    /// The `RateLimit-Policy` of the rules that are known; empty if there are none.
    pub(super) fn field(&self) -> &str {
        &self.field
    }

    pub(super) fn has_name(&self, name: &StringRef) -> bool {
        self.listed.iter().any(|item| *item.name == *name)
    }

    /// The name that `rule` is listed by.
    pub(super) fn name_of(&self, rule: Rule) -> Option<&StringRef> {
        self.listed.iter().find(|item| item.rule == rule).map(|item| &*item.name)
    }

    /// A name for `rule`, which is not listed.
    pub(super) fn name_besides(
        &self,
        rule: Rule,
        is_taken: impl Fn(&StringRef) -> bool,
    ) -> sfv::String {
        let text = text_of(rule, self.policy.as_ref());
        let mut name = plain(format!("{}{text}", self.prefix));
        while is_taken(&name) {
            name = plain(format!("now:{name}"));
        }
        name
    }
}

impl From<&Rules> for NamedRules {
    fn from(rules: &Rules) -> Self {
        Self::by_text(rules, None)
    }
}

impl From<&PolicyName> for NamedRules {
    fn from(name: &PolicyName) -> Self {
        Self::of(Vec::new(), Some(name.clone()))
    }
}

fn text_of(rule: Rule, policy: Option<&PolicyName>) -> sfv::String {
    plain(policy.map_or_else(|| rule.to_string(), |policy| format!("{policy}:{rule}")))
}

/// The name that `text` is, which is ASCII: a rule's text, alone or after a name.
fn plain(text: String) -> sfv::String {
    sfv::String::from_string(text).unwrap_or_default()
}

pub(super) fn policy_field(items: &[Item]) -> String {
    const QUOTA: &KeyRef = key_ref("q");
    const WINDOW: &KeyRef = key_ref("w");
    let mut list = ListSerializer::new();
    for Item { name, rule } in items {
        let window = seconds(rule.window().millis());
        let _ = list
            .bare_item(&**name)
            .parameter(QUOTA, integer(rule.limit().units()))
            .parameter(WINDOW, integer(window));
    }
    list.finish().unwrap_or_default()
}

fn checked(name: String) -> Result<sfv::String, NameError> {
    if name.is_empty() {
        return Err(NameError(Wrong::Empty));
    }
    match sfv::String::from_string(name) {
        Ok(name) => Ok(name),
        Err((_, name)) => {
            let at = name.chars().position(|c| !matches!(c, ' '..='~')).unwrap_or_default();
            Err(NameError(Wrong::Character { name, at }))
        }
    }
}

/// Names that cannot be the names of a route's rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameError(Wrong);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wrong {
    Count { names: usize, rules: usize },
    Empty,
    Twice(String),
    Character { name: String, at: usize },
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Wrong::Count { names, rules } => write!(f, "{names} names are given to {rules} rules"),
            Wrong::Empty => f.write_str("the name of a rule is empty"),
            Wrong::Twice(name) => write!(f, "the name {name:?} is given to two rules"),
            Wrong::Character { name, at } => {
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
            Rule::new(Limit::new(limit).unwrap(), Window::from_millis(millis).unwrap())
        }))
        .unwrap()
    }

    #[test]
    fn a_rule_that_is_given_twice_is_listed_once() {
        let limits = NamedRules::from(&rules(&[(5, 1_000), (5, 1_000)]));
        assert_eq!(limits.listed.len(), 1);
    }

    #[test]
    fn says_what_is_wrong_with_a_name() {
        let two = rules(&[(10, 1_000), (100, 60_000)]);
        let wrong: [(&[&str], &str); 6] = [
            (&["burst"], "1 names are given to 2 rules"),
            (&["a", "b", "c"], "3 names are given to 2 rules"),
            (&["burst", ""], "the name of a rule is empty"),
            (&["burst", "burst"], r#"the name "burst" is given to two rules"#),
            (&["burst", "täglich"], r#"character 2 of the name "täglich" is not visible ASCII"#),
            (&["burst", "a\n"], r#"character 2 of the name "a\n" is not visible ASCII"#),
        ];
        for (names, text) in wrong {
            let error = NamedRules::named(&two, names.iter().copied()).unwrap_err();
            assert_eq!(error.to_string(), text);
        }
    }
}
