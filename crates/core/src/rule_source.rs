use std::borrow::Borrow;
use std::ops::Deref;

use crate::{Mode, Policy, PolicyName, Rule, Rules};

/// The source of a check's rules: the rules themselves or the name of a policy.
///
/// `R` is the type of the rules ([`Rules`], `&Rules`, [`Rule`]), and `N` is the type of the name
/// ([`PolicyName`], `&PolicyName`, raw bytes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::large_enum_variant, reason = "rules are the usual case, and must not be allocated")]
pub enum RuleSource<R, N> {
    /// These rules.
    Rules(R),
    /// The policy with this name.
    Policy(N),
}

/// A [`RuleSource`] that owns its rules or its name.
pub type OwnedRuleSource = RuleSource<Rules, PolicyName>;

/// The rules of a check after its policy, if any, has been looked up.
///
/// `R` is the type of the caller's rules, and `P` is the type of the pointer to the policy: a reference, an `Rc` or an
/// `Arc`.
///
/// ```
/// use ratelog_core::{Limit, Mode, Policy, ResolvedRules, Rule, Rules, Window};
///
/// let rules = Rules::one(Rule::new(Limit::new(10), Window::from_millis(1_000).unwrap()));
/// let inline = ResolvedRules::from(&rules);
/// assert_eq!((inline.rules(), inline.mode()), (&rules, Mode::Enforce));
///
/// let policy = Policy { rules: rules.clone(), mode: Mode::Shadow };
/// let named = ResolvedRules::<Rules, _>::Policy(&policy);
/// assert_eq!((named.rules(), named.mode()), (&rules, Mode::Shadow));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResolvedRules<R, P> {
    /// The caller's own rules, which are always enforced.
    Inline(R),
    /// The rules and the mode of a policy.
    Policy(P),
}

impl<N> From<Rule> for RuleSource<Rule, N> {
    fn from(rule: Rule) -> Self {
        Self::Rules(rule)
    }
}

impl<'a, N> From<&'a Rules> for RuleSource<&'a Rules, N> {
    fn from(rules: &'a Rules) -> Self {
        Self::Rules(rules)
    }
}

impl<'a, R> From<&'a PolicyName> for RuleSource<R, &'a PolicyName> {
    fn from(name: &'a PolicyName) -> Self {
        Self::Policy(name)
    }
}

impl RuleSource<&Rules, &PolicyName> {
    /// Returns the same source with owned values.
    #[must_use]
    pub fn into_owned(self) -> OwnedRuleSource {
        match self {
            Self::Rules(rules) => RuleSource::Rules(rules.clone()),
            Self::Policy(name) => RuleSource::Policy(name.clone()),
        }
    }
}

impl OwnedRuleSource {
    /// Returns the same source with borrowed values.
    #[must_use]
    pub fn as_borrowed(&self) -> RuleSource<&Rules, &PolicyName> {
        match self {
            Self::Rules(rules) => RuleSource::Rules(rules),
            Self::Policy(name) => RuleSource::Policy(name),
        }
    }
}

impl<R: Borrow<Rules>, P: Deref<Target: Borrow<Policy>>> ResolvedRules<R, P> {
    /// Returns the rules.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        match self {
            Self::Inline(rules) => rules.borrow(),
            Self::Policy(policy) => &policy.deref().borrow().rules,
        }
    }

    /// Returns the mode, which says whether the rules are enforced.
    #[must_use]
    pub fn mode(&self) -> Mode {
        match self {
            Self::Inline(_) => Mode::Enforce,
            Self::Policy(policy) => policy.deref().borrow().mode,
        }
    }
}

impl<'a> From<&'a Rules> for ResolvedRules<&'a Rules, &'a Policy> {
    fn from(rules: &'a Rules) -> Self {
        Self::Inline(rules)
    }
}

#[cfg(test)]
mod tests {
    use super::RuleSource;
    use crate::{Limit, PolicyName, Rule, Rules, Window};

    #[test]
    fn a_borrowed_source_round_trips_through_an_owned_one() {
        let window = Window::from_millis(1_000).unwrap();
        let rules = Rules::one(Rule::new(Limit::new(1), window));
        let name = PolicyName::parse(b"api").unwrap();
        for source in [RuleSource::from(&rules), RuleSource::from(&name)] {
            assert_eq!(source.into_owned().as_borrowed(), source);
        }
        assert_eq!(
            RuleSource::<_, PolicyName>::from(rules.first()),
            RuleSource::Rules(rules.first())
        );
    }
}
