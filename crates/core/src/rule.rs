use arrayvec::ArrayVec;
use std::fmt;
use std::num::NonZeroU32;

use crate::{Limit, Window};

/// At most [`limit`](Self::limit) units in any span of [`window`](Self::window).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    limit: Limit,
    window: Window,
}

impl Rule {
    /// Returns the rule of at most `limit` units in any span of `window`.
    #[must_use]
    pub const fn new(limit: Limit, window: Window) -> Self {
        Self { limit, window }
    }

    /// Returns the maximum number of units in the window.
    #[must_use]
    pub const fn limit(self) -> Limit {
        self.limit
    }

    /// Returns the span of time to which the limit applies.
    #[must_use]
    pub const fn window(self) -> Window {
        self.window
    }

    fn shared(self, instances: NonZeroU32) -> Self {
        Self { limit: self.limit.shared(instances), ..self }
    }
}

/// The rules of one check: 1 to [`Rules::MAX`] rules in their order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rules {
    first: Rule,
    rest: ArrayVec<Rule, { Rules::MAX - 1 }>,
}

impl Rules {
    /// The maximum number of rules of one check.
    pub const MAX: usize = 16;

    /// Returns a single rule, or the first of several.
    #[must_use]
    pub const fn one(rule: Rule) -> Self {
        Self { first: rule, rest: ArrayVec::new_const() }
    }

    /// Returns the rules in their order, or `None` if there are no rules or more than [`Self::MAX`].
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Option<Self> {
        let mut rules = rules.into_iter();
        let mut all = Self::one(rules.next()?);
        rules.try_for_each(|rule| all.push(rule)).ok().map(|()| all)
    }

    /// Adds a rule.
    ///
    /// # Errors
    /// [`TooManyRules`] if there are already [`Self::MAX`] rules. Nothing is added.
    pub fn push(&mut self, rule: Rule) -> Result<(), TooManyRules> {
        self.rest.try_push(rule).map_err(|_| TooManyRules)
    }

    /// Returns the first rule.
    #[must_use]
    pub const fn first(&self) -> Rule {
        self.first
    }

    /// Returns the rules after the first.
    #[must_use]
    pub fn rest(&self) -> &[Rule] {
        &self.rest
    }

    /// Returns the rules in their order.
    pub fn iter(&self) -> impl Iterator<Item = Rule> {
        std::iter::once(self.first).chain(self.rest.iter().copied())
    }

    /// Returns one of `instances` equal shares of the rules: each limit is divided by `instances` and rounded down, but
    /// at least 1. A limit of zero stays zero.
    ///
    /// If no other limit is below `instances`, that many independent limiters with a share each allow no more in total than
    /// one limiter with these rules. A check whose cost exceeds the share is never allowed.
    ///
    /// ```
    /// use std::num::NonZeroU32;
    /// use ratelog_core::{Limit, Rule, Rules, Window};
    ///
    /// let minute = Window::from_millis(60_000).unwrap();
    /// let rules = Rules::one(Rule::new(Limit::new(100), minute));
    /// let share = rules.shared(NonZeroU32::new(3).unwrap());
    /// assert_eq!(share.first().limit(), Limit::new(33));
    /// ```
    #[must_use]
    pub fn shared(&self, instances: NonZeroU32) -> Self {
        let mut share = self.clone();
        share.first = share.first.shared(instances);
        for rule in &mut share.rest {
            *rule = rule.shared(instances);
        }
        share
    }

    /// Returns the longest window of the rules. A check's units are retained for this time.
    #[must_use]
    pub fn longest_window(&self) -> Window {
        self.rest.iter().map(|rule| rule.window).fold(self.first.window, Ord::max)
    }
}

/// The error of more rules than [`Rules::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyRules;

impl fmt::Display for TooManyRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {} rules are allowed", Rules::MAX)
    }
}

impl std::error::Error for TooManyRules {}

#[cfg(test)]
mod tests {
    use super::{Rule, Rules, TooManyRules};
    use crate::{Limit, Window};

    fn rule(limit: u32, millis: u64) -> Rule {
        Rule::new(Limit::new(limit), Window::from_millis(millis).unwrap())
    }

    #[test]
    fn one_to_sixteen_rules_stay_in_order() {
        assert_eq!(Rules::new([]), None);
        let sixteen = (1..=16).map(|n| rule(n, 10));
        let rules = Rules::new(sixteen.clone()).unwrap();
        assert!(rules.iter().eq(sixteen.clone()));
        assert_eq!(Rules::new(sixteen.chain([rule(17, 10)])), None);
        assert_eq!(rules.clone().push(rule(1, 1)), Err(TooManyRules));
        assert_eq!(TooManyRules.to_string(), "at most 16 rules are allowed");
    }

    #[test]
    fn every_rule_is_shared_and_only_zero_is_shared_as_zero() {
        let rules = Rules::new([rule(100, 10), rule(3, 30), rule(4, 20), rule(0, 40)]).unwrap();
        let share = rules.shared(4.try_into().unwrap());
        assert_eq!(
            share,
            Rules::new([rule(25, 10), rule(1, 30), rule(1, 20), rule(0, 40)]).unwrap()
        );
        assert_eq!(rules.shared(1.try_into().unwrap()), rules);
    }

    #[test]
    fn optional_rules_take_no_more_memory_than_rules() {
        assert_eq!(size_of::<Rule>(), 16);
        assert_eq!(size_of::<Option<Rule>>(), 16);
        assert_eq!(size_of::<Option<Rules>>(), size_of::<Rules>());
    }

    #[test]
    fn the_longest_window_is_found() {
        let rules = Rules::new([rule(1, 10), rule(2, 30), rule(3, 20)]).unwrap();
        assert_eq!(rules.longest_window().millis(), 30);
        assert_eq!(Rules::one(rule(1, 10)).longest_window().millis(), 10);
    }
}
