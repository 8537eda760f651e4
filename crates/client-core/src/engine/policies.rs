use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use ratelog_core::{Mode, Policy, PolicyName, Rule, Rules};

use super::terms::{Held, Terms, UnknownPolicy};
use crate::Under;

/// After this time a policy that was learnt is asked for again.
const FRESH: Duration = Duration::from_secs(60);

/// So many are learnt at most. More names than this are no policies but keys, or an attack.
const MAX_LEARNT: usize = 1_000;

/// The policies that this process knows: given by its caller, or learnt from the server.
///
/// ```
/// use ratelog_client_core::{Policies, Under};
/// use ratelog_core::{Mode, Policy, PolicyName};
/// use std::collections::HashMap;
///
/// let name: PolicyName = "login".parse()?;
/// let policies = Policies::new(HashMap::new());
/// assert!(policies.wants(&name));
/// policies.learn(name.clone(), Some(Policy { rules: "5/minute".parse()?, mode: Mode::Enforce }));
/// assert_eq!(policies.terms(Under::Policy(&name))?.rules.first().limit().units(), 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Policies {
    given: HashMap<PolicyName, Arc<Policy>>,
    learnt: RwLock<HashMap<PolicyName, Learnt>>,
}

#[derive(Debug)]
struct Learnt {
    policy: Option<Arc<Policy>>,
    at: Instant,
}

impl Policies {
    /// Those that are given; the server is never asked for them.
    #[must_use]
    pub fn new(given: HashMap<PolicyName, Policy>) -> Self {
        let given = given.into_iter().map(|(name, policy)| (name, Arc::new(policy))).collect();
        Self { given, learnt: RwLock::default() }
    }

    /// What a check is decided by without the server.
    ///
    /// # Errors
    /// [`UnknownPolicy`] for one that was neither given nor learnt.
    pub fn terms<'a>(&self, under: Under<'a, &'a Rules>) -> Result<Terms<'a>, UnknownPolicy> {
        match under {
            Under::Rules(rules) => Ok(in_force(Held::Given(rules))),
            Under::Policy(name) => self.known(name),
        }
    }

    /// The same, for one key of several.
    ///
    /// # Errors
    /// As [`Self::terms`].
    pub fn terms_of_one<'a>(&self, under: Under<'a, Rule>) -> Result<Terms<'a>, UnknownPolicy> {
        match under {
            Under::Rules(rule) => Ok(in_force(Held::One(Box::new(Rules::one(rule))))),
            Under::Policy(name) => self.known(name),
        }
    }

    /// Whether the server is to be asked for the policy. Says so once a while: the caller then has to ask.
    pub fn wants(&self, name: &PolicyName) -> bool {
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

    /// What the server answered: the policy, or that it has none of that name.
    pub fn learn(&self, name: PolicyName, policy: Option<Policy>) {
        let mut all = self.learnt.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(name, Learnt { policy: policy.map(Arc::new), at: Instant::now() });
    }

    fn known<'a>(&self, name: &PolicyName) -> Result<Terms<'a>, UnknownPolicy> {
        let terms =
            |policy: &Arc<Policy>| Terms { rules: Held::Policy(policy.clone()), mode: policy.mode };
        if let Some(policy) = self.given.get(name) {
            return Ok(terms(policy));
        }
        let all = self.learnt.read().unwrap_or_else(PoisonError::into_inner);
        let learnt = all.get(name).and_then(|learnt| learnt.policy.as_ref());
        learnt.map(terms).ok_or_else(|| UnknownPolicy(name.clone()))
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
    use crate::Under;

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
        assert_eq!(of(1).unwrap_err().to_string(), "no policy named 'p1' is known in this process");
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
