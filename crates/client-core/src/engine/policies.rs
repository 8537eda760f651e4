use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use ratelog_core::{Policy, PolicyName, ResolvedRules, RuleSource};

/// How long a fetched policy stays fresh. After that it is still used, and fetched again.
const REFRESH_INTERVAL: Duration = Duration::from_secs(60);

/// The bound on the names held. A program with more names than this computes them, for example from keys.
const MAX_NAMES: usize = 1_000;

/// The policies that this process knows: from its settings, or fetched from the server.
///
/// ```
/// use ratelog_client_core::engine::Policies;
/// use ratelog_core::{Mode, Policy, PolicyName, RuleSource, Rules};
/// use std::collections::HashMap;
/// use std::time::Instant;
///
/// let name: PolicyName = "login".parse()?;
/// let (policies, now) = (Policies::new(HashMap::new()), Instant::now());
/// assert!(policies.should_fetch(&name, now));
/// // ... fetch the policy from the server ...
/// let fetched = Policy { rules: "5/minute".parse()?, mode: Mode::Enforce };
/// policies.insert(name.clone(), Some(fetched), now);
/// let resolved = policies.resolve(RuleSource::<Rules, _>::Policy(&name))?;
/// assert_eq!(resolved.rules().first().limit().units(), 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Policies {
    configured: HashMap<PolicyName, Arc<Policy>>,
    fetched: RwLock<HashMap<PolicyName, Fetched>>,
    reported: Mutex<HashSet<PolicyName>>,
}

#[derive(Debug)]
struct Fetched {
    policy: Option<Arc<Policy>>,
    /// When it was fetched; `None` if the last fetch failed.
    at: Option<Instant>,
}

impl Policies {
    /// Policies from the settings. They take precedence over the server's, which are not fetched.
    #[must_use]
    pub fn new(configured: HashMap<PolicyName, Policy>) -> Self {
        let configured =
            configured.into_iter().map(|(name, policy)| (name, Arc::new(policy))).collect();
        Self { configured, fetched: RwLock::default(), reported: Mutex::default() }
    }

    /// The rules to apply without the server.
    ///
    /// # Errors
    /// [`UnknownPolicy`] for a policy that is neither configured nor fetched.
    pub fn resolve<R>(
        &self,
        source: RuleSource<R, &PolicyName>,
    ) -> Result<ResolvedRules<R, Arc<Policy>>, UnknownPolicy> {
        match source {
            RuleSource::Rules(rules) => Ok(ResolvedRules::Inline(rules)),
            RuleSource::Policy(name) => {
                let policy = self.get(name).ok_or_else(|| UnknownPolicy(name.clone()))?;
                Ok(ResolvedRules::Policy(policy))
            }
        }
    }

    /// Whether to fetch the policy from the server at `now`. Returns true once per minute: if it does, fetch the policy
    /// and [`insert`](Self::insert) it, or report that the [fetch failed](Self::fetch_failed).
    pub fn should_fetch(&self, name: &PolicyName, now: Instant) -> bool {
        let is_fresh = |fetched: &Fetched| {
            fetched.at.is_some_and(|at| now.saturating_duration_since(at) < REFRESH_INTERVAL)
        };
        let all = self.fetched.read().unwrap_or_else(PoisonError::into_inner);
        if self.configured.contains_key(name) || all.get(name).is_some_and(is_fresh) {
            return false;
        }
        drop(all);
        let mut all = self.fetched.write().unwrap_or_else(PoisonError::into_inner);
        let is_stored = all.contains_key(name);
        if all.get(name).is_some_and(is_fresh) || (!is_stored && all.len() >= MAX_NAMES) {
            return false;
        }
        let policy = all.remove(name).and_then(|fetched| fetched.policy);
        all.insert(name.clone(), Fetched { policy, at: Some(now) });
        true
    }

    /// Stores a policy that the server sent at `now`; `None` if the server has no policy of this name.
    pub fn insert(&self, name: PolicyName, policy: Option<Policy>, now: Instant) {
        let mut all = self.fetched.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(name, Fetched { policy: policy.map(Arc::new), at: Some(now) });
    }

    /// Reports that a fetch failed, so the policy is fetched again when it is used next.
    pub fn fetch_failed(&self, name: &PolicyName) {
        let mut all = self.fetched.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(fetched) = all.get_mut(name) {
            fetched.at = None;
        }
    }

    /// Whether to report that this policy is unknown. Returns true once per name, for at most 1,000 names.
    pub fn should_report(&self, unknown: &UnknownPolicy) -> bool {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        reported.len() < MAX_NAMES && reported.insert(unknown.0.clone())
    }

    fn get(&self, name: &PolicyName) -> Option<Arc<Policy>> {
        if let Some(policy) = self.configured.get(name) {
            return Some(Arc::clone(policy));
        }
        let all = self.fetched.read().unwrap_or_else(PoisonError::into_inner);
        all.get(name)?.policy.clone()
    }
}

/// A policy that this process does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownPolicy(PolicyName);

impl UnknownPolicy {
    /// The policy's name.
    #[must_use]
    pub const fn name(&self) -> &PolicyName {
        &self.0
    }
}

impl fmt::Display for UnknownPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no policy named '{}' is known in this process", self.0)
    }
}

impl std::error::Error for UnknownPolicy {}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use ratelog_core::{Mode, Policy, PolicyName, RuleSource, Rules};

    use super::{Duration, MAX_NAMES, Policies, REFRESH_INTERVAL, UnknownPolicy};
    use crate::Clock;

    fn name(number: usize) -> PolicyName {
        format!("p{number}").parse().unwrap()
    }

    fn policy(rules: &str) -> Policy {
        Policy { rules: rules.parse().unwrap(), mode: Mode::Enforce }
    }

    /// The limit of the policy's first rule.
    fn limit(policies: &Policies, number: usize) -> Result<u64, UnknownPolicy> {
        let resolved = policies.resolve(RuleSource::<Rules, _>::Policy(&name(number)))?;
        Ok(resolved.rules().first().limit().units())
    }

    #[test]
    fn a_policy_is_fetched_once_per_interval_and_a_configured_one_never() {
        let now = Clock::monotonic_now();
        let policies = Policies::new(HashMap::from([(name(0), policy("1/hour"))]));
        assert!(!policies.should_fetch(&name(0), now));
        assert!(policies.should_fetch(&name(1), now));
        assert!(!policies.should_fetch(&name(1), now));
        policies.insert(name(1), Some(policy("2/hour")), now);
        let almost = now + REFRESH_INTERVAL.saturating_sub(Duration::from_nanos(1));
        assert!(!policies.should_fetch(&name(1), almost));
        assert!(policies.should_fetch(&name(1), now + REFRESH_INTERVAL));
        assert_eq!(limit(&policies, 1), Ok(2), "it is used while it is fetched again");
    }

    #[test]
    fn a_fetch_that_failed_is_repeated_and_the_policy_stays() {
        let now = Clock::monotonic_now();
        let policies = Policies::new(HashMap::new());
        policies.fetch_failed(&name(1));
        policies.insert(name(1), Some(policy("2/hour")), now);
        assert!(policies.should_fetch(&name(1), now + REFRESH_INTERVAL));
        policies.fetch_failed(&name(1));
        assert_eq!(limit(&policies, 1), Ok(2));
        assert!(policies.should_fetch(&name(1), now + REFRESH_INTERVAL));
        assert!(!policies.should_fetch(&name(1), now + REFRESH_INTERVAL));
    }

    #[test]
    fn a_policy_resolves_to_what_was_configured_or_fetched_last() {
        let now = Clock::monotonic_now();
        let policies = Policies::new(HashMap::from([(name(0), policy("1/hour"))]));
        let unknown = limit(&policies, 1).unwrap_err();
        assert_eq!(unknown.to_string(), "no policy named 'p1' is known in this process");
        policies.insert(name(1), Some(policy("2/hour")), now);
        assert_eq!((limit(&policies, 0), limit(&policies, 1)), (Ok(1), Ok(2)));
        policies.insert(name(1), None, now);
        assert!(limit(&policies, 1).is_err());
    }

    #[test]
    fn the_number_of_fetched_policies_is_bounded() {
        let now = Clock::monotonic_now();
        let policies = Policies::new(HashMap::new());
        assert!((0..MAX_NAMES).all(|number| policies.should_fetch(&name(number), now)));
        assert!(!policies.should_fetch(&name(MAX_NAMES), now));
    }

    #[test]
    fn an_unknown_policy_is_reported_once_and_the_reports_are_bounded() {
        let policies = Policies::new(HashMap::new());
        let should_report = |number| policies.should_report(&limit(&policies, number).unwrap_err());
        assert!(should_report(0) && !should_report(0));
        assert!((1..MAX_NAMES).all(should_report));
        assert!(!should_report(MAX_NAMES));
    }
}
