//! The policies that this process knows: given by its caller, or learnt from the server.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use ratelog_core::{Mode, Policy, PolicyName, Rule, Rules};

use crate::{Error, Under};

/// After this time a policy that was learnt is asked for again.
const FRESH: Duration = Duration::from_secs(60);

/// So many are learnt at most. More names than this are no policies but keys, or an attack.
const MAX_LEARNT: usize = 1_000;

/// What a check of one key is decided by, where the server does not know it.
pub(super) struct Terms<'a> {
    pub(super) rules: Held<'a>,
    pub(super) mode: Mode,
}

/// Rules that are the caller's, or a policy's; small, where rules are not.
pub(super) enum Held<'a> {
    Given(&'a Rules),
    One(Box<Rules>),
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

pub(super) struct Policies {
    given: HashMap<PolicyName, Arc<Policy>>,
    learnt: RwLock<HashMap<PolicyName, Learnt>>,
}

struct Learnt {
    policy: Option<Arc<Policy>>,
    at: Instant,
}

impl Policies {
    pub(super) fn new(given: HashMap<PolicyName, Policy>) -> Self {
        let given = given.into_iter().map(|(name, policy)| (name, Arc::new(policy))).collect();
        Self { given, learnt: RwLock::default() }
    }

    /// What a check is decided by without the server.
    pub(super) fn terms<'a>(&self, under: Under<'a, &'a Rules>) -> Result<Terms<'a>, Error> {
        match under {
            Under::Rules(rules) => Ok(in_force(Held::Given(rules))),
            Under::Policy(name) => self.known(name),
        }
    }

    /// The same, for one key of several.
    pub(super) fn terms_of_one<'a>(&self, under: Under<'a, Rule>) -> Result<Terms<'a>, Error> {
        match under {
            Under::Rules(rule) => Ok(in_force(Held::One(Box::new(Rules::one(rule))))),
            Under::Policy(name) => self.known(name),
        }
    }

    /// Whether the server is to be asked for the policy. Says so once a while: the caller then has to ask.
    pub(super) fn wants(&self, name: &PolicyName) -> bool {
        let is_fresh = |learnt: &Learnt| learnt.at.elapsed() < FRESH;
        let all = self.learnt.read().unwrap_or_else(PoisonError::into_inner);
        if self.given.contains_key(name) || all.get(name).is_some_and(is_fresh) {
            return false;
        }
        drop(all);
        let mut all = self.learnt.write().unwrap_or_else(PoisonError::into_inner);
        let is_known = all.contains_key(name);
        if all.get(name).is_some_and(is_fresh) || (!is_known && all.len() >= MAX_LEARNT) {
            return false;
        }
        let policy = all.remove(name).and_then(|learnt| learnt.policy);
        all.insert(name.clone(), Learnt { policy, at: Instant::now() });
        true
    }

    /// What the server answered.
    pub(super) fn learn(&self, name: PolicyName, policy: Option<Policy>) {
        let mut all = self.learnt.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(name, Learnt { policy: policy.map(Arc::new), at: Instant::now() });
    }

    fn known<'a>(&self, name: &PolicyName) -> Result<Terms<'a>, Error> {
        let terms =
            |policy: &Arc<Policy>| Terms { rules: Held::Policy(policy.clone()), mode: policy.mode };
        if let Some(policy) = self.given.get(name) {
            return Ok(terms(policy));
        }
        let all = self.learnt.read().unwrap_or_else(PoisonError::into_inner);
        let learnt = all.get(name).and_then(|learnt| learnt.policy.as_ref());
        learnt.map(terms).ok_or_else(|| {
            Error::NoPolicy(format!("NOPOLICY no policy named '{name}' is known in this process"))
        })
    }
}

fn in_force(rules: Held<'_>) -> Terms<'_> {
    Terms { rules, mode: Mode::Enforce }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use ratelog_core::{Mode, Policy, PolicyName};

    use super::{MAX_LEARNT, Policies};
    use crate::{Error, Under};

    fn name(number: usize) -> PolicyName {
        format!("p{number}").parse().unwrap()
    }

    fn policy(rules: &str) -> Policy {
        Policy { rules: rules.parse().unwrap(), mode: Mode::Enforce }
    }

    #[test]
    fn the_server_is_asked_once_for_a_policy_and_never_for_one_that_was_given() {
        let policies = Policies::new(HashMap::from([(name(0), policy("1/hour"))]));
        assert!(!policies.wants(&name(0)));
        assert!(policies.wants(&name(1)) && !policies.wants(&name(1)));
        let of =
            |number| policies.terms(Under::Policy(&name(number))).map(|terms| terms.rules.first());
        assert!(matches!(of(1), Err(Error::NoPolicy(_))));
        policies.learn(name(1), Some(policy("2/hour")));
        assert_eq!(of(0).unwrap().limit().units(), 1);
        assert_eq!(of(1).unwrap().limit().units(), 2);
        policies.learn(name(1), None);
        assert!(of(1).is_err());
    }

    #[test]
    fn no_more_policies_are_learnt_than_there_are() {
        let policies = Policies::new(HashMap::new());
        assert!((0..MAX_LEARNT).all(|number| policies.wants(&name(number))));
        assert!(!policies.wants(&name(MAX_LEARNT)));
    }
}
