//! The policies that this process knows: given by its caller, or learnt from the server.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use ratelog_core::{Policy, PolicyName, Rule, Rules};

use super::local::Terms;
use crate::{Error, Under};

/// After this time a policy that was learnt is asked for again.
const FRESH: Duration = Duration::from_secs(60);

/// So many are learnt at most. More names than this are no policies but keys, or an attack.
const MAX_LEARNT: usize = 1_000;

pub(super) struct Policies {
    given: HashMap<PolicyName, Policy>,
    learnt: RwLock<HashMap<PolicyName, Learnt>>,
}

struct Learnt {
    policy: Option<Policy>,
    at: Instant,
}

impl Policies {
    pub(super) fn new(given: HashMap<PolicyName, Policy>) -> Self {
        Self { given, learnt: RwLock::default() }
    }

    /// What a check is decided by without the server.
    pub(super) fn terms<'a>(&self, under: Under<'a, &'a Rules>) -> Result<Terms<'a>, Error> {
        match under {
            Under::Rules(rules) => Ok(in_force(Cow::Borrowed(rules))),
            Under::Policy(name) => self.known(name),
        }
    }

    /// The same, for one key of several.
    pub(super) fn terms_of_one<'a>(&self, under: Under<'a, Rule>) -> Result<Terms<'a>, Error> {
        match under {
            Under::Rules(rule) => Ok(in_force(Cow::Owned(Rules::one(rule)))),
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
        all.insert(name, Learnt { policy, at: Instant::now() });
    }

    fn known<'a>(&self, name: &PolicyName) -> Result<Terms<'a>, Error> {
        let terms =
            |policy: &Policy| Terms { rules: Cow::Owned(policy.rules.clone()), mode: policy.mode };
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

fn in_force(rules: Cow<'_, Rules>) -> Terms<'_> {
    Terms { rules, mode: ratelog_core::Mode::Enforce }
}
