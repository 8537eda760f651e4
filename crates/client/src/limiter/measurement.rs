//! Metrics of checks, if the feature `metrics` is on: the names and labels are those of the Python package.

use ratelog_core::{PolicyName, RuleSource};
#[cfg(feature = "metrics")]
use std::time::Instant;

use crate::{Check, Decision, Error};

/// One measurement of one or more checks, from now.
pub(super) struct Measurement {
    #[cfg(feature = "metrics")]
    start: Instant,
}

/// The policy of a check, if it has one.
pub(super) const fn policy_of<'a, R>(
    source: &RuleSource<R, &'a PolicyName>,
) -> Option<&'a PolicyName> {
    match source {
        RuleSource::Policy(name) => Some(name),
        RuleSource::Rules(_) => None,
    }
}

impl Measurement {
    /// Records one check.
    pub(super) fn finish_one(self, check: &Check<'_>, result: &Result<Decision, Error>) {
        self.finish([(policy_of(&check.rule_source()), result.as_ref().copied())]);
    }
}

#[cfg(not(feature = "metrics"))]
#[expect(clippy::unused_self, reason = "it measures with the feature")]
impl Measurement {
    pub(super) const fn start() -> Self {
        Self {}
    }

    pub(super) fn finish<'a>(
        self,
        _: impl IntoIterator<Item = (Option<&'a PolicyName>, Result<Decision, &'a Error>)>,
    ) {
    }
}

#[cfg(feature = "metrics")]
impl Measurement {
    pub(super) fn start() -> Self {
        Self { start: ratelog_client_core::Clock::monotonic_now() }
    }

    /// Records the checks with their policies.
    pub(super) fn finish<'a>(
        self,
        checks: impl IntoIterator<Item = (Option<&'a PolicyName>, Result<Decision, &'a Error>)>,
    ) {
        let now = ratelog_client_core::Clock::monotonic_now();
        let elapsed = now.saturating_duration_since(self.start);
        metrics::histogram!("ratelog.check.duration").record(elapsed.as_secs_f64());
        for (policy, result) in checks {
            let mut labels = Vec::with_capacity(3);
            match result {
                Ok(decision) => {
                    let allowed = if decision.allowed() { "allowed" } else { "denied" };
                    labels.push(metrics::Label::new("ratelog.result", allowed));
                    labels.push(metrics::Label::new("ratelog.source", decision.source().as_str()));
                }
                Err(error) => labels.push(metrics::Label::new("error.type", error.kind())),
            }
            // A name that no server knows is not a label: a program may compute names.
            if let (Some(policy), Ok(_)) = (policy, result) {
                labels.push(metrics::Label::new("ratelog.policy", policy.as_str().to_owned()));
            }
            metrics::counter!("ratelog.checks", labels).increment(1);
        }
    }
}
