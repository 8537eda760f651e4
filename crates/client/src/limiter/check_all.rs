//! Checks of several keys, each with rules and a cost of its own: all are recorded, or none.

use std::sync::Arc;

use futures_util::future::join_all;
use ratelog_client_core::Clock;
use ratelog_client_core::engine::unrecorded;
use ratelog_core::{OwnedRuleSource, Rule, RuleSource};

use super::check_op::CheckOp;
use super::engine::{Engine, is_denied_by_server};
use super::measurement::{Measurement, policy_of};
use super::multi_check_op::MultiCheckOp;
use super::operation::RefundOp;
use crate::{Check, Checks, Cost, Decision, Decisions, Error, Source};

/// Whether checks that the server rejects are errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnRejection {
    /// They are.
    Fail,
    /// The fallback decides them, and the error is logged.
    FallBack,
}

impl Engine {
    /// The denials that the deny cache holds, by check; `None` if there is none.
    #[cfg(feature = "tower")]
    pub(crate) fn cached_denials(
        &self,
        checks: &[(&[u8], Check<'_>)],
    ) -> Option<Vec<Option<Decision>>> {
        self.deny_cache.as_ref()?;
        let measurement = Measurement::start();
        let denials: Vec<_> =
            checks.iter().map(|one| self.cached_denial(&operation(one, true))).collect();
        if denials.iter().all(Option::is_none) {
            return None;
        }
        let denied = checks.iter().zip(&denials);
        measurement.finish(denied.filter_map(|((_, check), denial)| {
            denial.map(|denial| (policy_of(&check.rule_source()), Ok(denial)))
        }));
        Some(denials)
    }

    /// Decides checks of several keys. Returns one decision per check, in order.
    pub(crate) async fn check_all(
        self: &Arc<Self>,
        checks: &[(&[u8], Check<'_>)],
        on_rejection: OnRejection,
    ) -> Result<Decisions, Error> {
        if let [single] = checks {
            let decision = self.check_or_fall_back(&operation(single, true), on_rejection).await?;
            return Ok(vec![decision].into());
        }
        let is_cached = |one| self.cached_denial(&operation(one, true)).is_some();
        let is_denied = self.deny_cache.is_some() && checks.iter().any(is_cached);
        if !is_denied
            && self.is_one_shard(checks)
            && let Some(combined) = combine(checks)
            && let Some(result) = self.check_combined(checks, &combined, on_rejection).await
        {
            return result;
        }
        // A check that is denied already records nothing.
        let record = !is_denied;
        if self.servers.is_none() {
            return self.check_separately(checks, record, on_rejection).await;
        }
        // If the caller stops to wait, the task still takes back units.
        let (engine, owned) = (Arc::clone(self), own(checks));
        let task = tokio::spawn(async move {
            let checks: Vec<_> = owned.iter().map(borrow).collect();
            engine.check_separately(&checks, record, on_rejection).await
        });
        task.await.unwrap_or_else(|error| {
            Err(Error::Unavailable(format!("the task of the check ended: {error}")))
        })
    }

    /// Sends one command for all checks. `None` if there must be a command for each: the server has not all of the keys,
    /// or one of the checks is wrong and the fallback decides it.
    async fn check_combined(
        self: &Arc<Self>,
        checks: &[(&[u8], Check<'_>)],
        combined: &Checks<'_>,
        on_rejection: OnRejection,
    ) -> Option<Result<Decisions, Error>> {
        let measurement = Measurement::start();
        let versions: Vec<_> = checks.iter().map(|(key, _)| self.version(key)).collect();
        let result = self.run(&MultiCheckOp { checks: combined, can_be_split: true }).await;
        match &result {
            Ok(decisions) => {
                let policies = checks.iter().map(|(_, check)| policy_of(&check.rule_source()));
                measurement.finish(policies.zip(decisions.iter().copied().map(Ok)));
                for ((one, decision), version) in checks.iter().zip(decisions).zip(versions) {
                    if let RuleSource::Policy(name) = one.1.rule_source() {
                        self.learn_policy(one.0, name, decision);
                    }
                    match version {
                        Some(version) if is_denied_by_server(decision) => {
                            self.cache_denial(&operation(one, true), decision, version);
                        }
                        _ => self.invalidate_recorded(one.0),
                    }
                }
            }
            Err(error) if error.is_about_slot() => return None,
            Err(error) if on_rejection == OnRejection::FallBack && !error.is_unavailable() => {
                return None;
            }
            Err(error) => {
                let policies = checks.iter().map(|(_, check)| policy_of(&check.rule_source()));
                measurement.finish(policies.map(|policy| (policy, Err(error))));
                for (key, _) in checks {
                    self.invalidate_recorded(key);
                }
            }
        }
        Some(result)
    }

    /// Sends one command per check. If one is denied or fails, takes back the units that the others recorded. If not
    /// `record`, the deny cache denies one of the checks, and the others are peeks.
    async fn check_separately(
        self: &Arc<Self>,
        checks: &[(&[u8], Check<'_>)],
        record: bool,
        on_rejection: OnRejection,
    ) -> Result<Decisions, Error> {
        let attempt = async |record| {
            let operations: Vec<_> = checks.iter().map(|one| operation(one, record)).collect();
            let decide = |operation| self.decide_of_several(operation, on_rejection);
            let decided = join_all(operations.iter().map(decide)).await;
            (record, operations, decided)
        };
        let (mut record, mut operations, mut decided) = attempt(record).await;
        if !record && decided.iter().all(|(_, result)| is_allowed(result)) {
            // The cached denial has ended meanwhile.
            (record, operations, decided) = attempt(true).await;
        }
        let results: Vec<_> = decided
            .into_iter()
            .zip(&operations)
            .map(|((measurement, result), operation)| {
                measurement.finish_one(&operation.check, &result);
                result
            })
            .collect();
        if results.iter().all(is_allowed) {
            return results.into_iter().collect::<Result<Vec<_>, _>>().map(Decisions::from);
        }
        let recorded = results.iter().zip(&operations).filter_map(|(result, operation)| {
            let decision = result.as_ref().ok()?;
            (record && decision.is_recorded()).then_some((operation, decision))
        });
        join_all(recorded.map(async |(operation, decision)| {
            let (key, cost) = (operation.key, operation.check.units());
            // If this fails, the units stay for their window: the limit is never exceeded.
            if let Err(error) = self.take_back(key, cost, decision.source()).await {
                tracing::debug!(event = "not_taken_back", %error, "units stay for their window");
            }
        }))
        .await;
        let decisions = results.into_iter().zip(&operations).map(|(result, operation)| {
            let decision = result?;
            if !record || !decision.is_recorded() {
                return Ok(decision);
            }
            let core = unrecorded(*decision.as_core(), operation.check.units());
            Ok(Decision::new(core, decision.source()))
        });
        decisions.collect::<Result<Vec<_>, _>>().map(Decisions::from)
    }

    async fn check_or_fall_back(
        self: &Arc<Self>,
        operation: &CheckOp<'_>,
        on_rejection: OnRejection,
    ) -> Result<Decision, Error> {
        let measurement = Measurement::start();
        let result = self.decide_or_fall_back(operation, on_rejection).await;
        measurement.finish_one(&operation.check, &result);
        result
    }

    /// Decides one of several checks. With the script, a shadow policy allows a check that the server rejects: it
    /// prevents nothing.
    async fn decide_of_several(
        self: &Arc<Self>,
        operation: &CheckOp<'_>,
        on_rejection: OnRejection,
    ) -> (Measurement, Result<Decision, Error>) {
        let measurement = Measurement::start();
        let result = self.decide_or_fall_back(operation, on_rejection).await;
        let uses_script =
            || self.servers.as_ref().is_some_and(|servers| servers.uses_script(operation.key));
        let result = result.or_else(|error| match operation.allowed_by_shadow(&self.policies) {
            Some(allowed) if !error.is_unavailable() && uses_script() => Ok(allowed),
            _ => Err(error),
        });
        (measurement, result)
    }

    async fn decide_or_fall_back(
        self: &Arc<Self>,
        operation: &CheckOp<'_>,
        on_rejection: OnRejection,
    ) -> Result<Decision, Error> {
        match self.check_unmeasured(operation).await {
            Err(error) if on_rejection == OnRejection::FallBack && !error.is_unavailable() => {
                if self.rejected_log.admits(Clock::monotonic_now()) {
                    tracing::error!(
                        event = "check_rejected",
                        %error,
                        "the server rejects a check: the fallback decides it"
                    );
                }
                self.decide_without_server(operation).ok_or(error)
            }
            result => result,
        }
    }

    /// Takes back units where they were recorded. Returns their number.
    pub(crate) async fn take_back(
        &self,
        key: &[u8],
        cost: Cost,
        source: Source,
    ) -> Result<u64, Error> {
        if source == Source::Local {
            return Ok(self.local.refund(key, cost));
        }
        self.run_and_invalidate(key, &RefundOp { key, cost, is_of_server: true }).await
    }

    fn is_one_shard(&self, checks: &[(&[u8], Check<'_>)]) -> bool {
        let Some(servers) = &self.servers else { return true };
        servers.have_one_shard(checks.iter().map(|(key, _)| *key))
    }
}

fn is_allowed(result: &Result<Decision, Error>) -> bool {
    result.as_ref().is_ok_and(Decision::allowed)
}

fn operation<'a>(&(key, check): &(&'a [u8], Check<'a>), record: bool) -> CheckOp<'a> {
    CheckOp { key, check, record }
}

/// A check with its key, independent of the caller.
type OwnedCheck = (Vec<u8>, OwnedRuleSource, Cost);

fn own(checks: &[(&[u8], Check<'_>)]) -> Vec<OwnedCheck> {
    let own = |(key, check): &(&[u8], Check<'_>)| {
        (key.to_vec(), check.rule_source().into_owned(), check.units())
    };
    checks.iter().map(own).collect()
}

fn borrow((key, source, cost): &OwnedCheck) -> (&[u8], Check<'_>) {
    (key, Check::new(source.as_borrowed()).cost(*cost))
}

/// One command for all checks; `None` if they have different costs, or one has several rules.
fn combine<'a>(checks: &[(&[u8], Check<'a>)]) -> Option<Checks<'a>> {
    let mut combined: Option<Checks<'a>> = None;
    for (key, check) in checks {
        let source = match check.rule_source() {
            RuleSource::Rules(rules) if rules.rest().is_empty() => {
                RuleSource::<Rule, _>::Rules(rules.first())
            }
            RuleSource::Rules(_) => return None,
            RuleSource::Policy(name) => RuleSource::Policy(name),
        };
        combined = Some(match combined {
            None => Checks::new(check.units(), key, source),
            Some(combined) if combined.units() == check.units() => combined.and(key, source),
            Some(_) => return None,
        });
    }
    combined
}

#[cfg(test)]
mod tests {
    use crate::limiter::check_all::OnRejection;
    use crate::{Check, RateLimiter, Rules};

    #[tokio::test]
    async fn checks_are_recorded_if_the_cached_denial_of_one_has_ended() {
        let limiter = RateLimiter::connect("memory://").await.unwrap();
        let rules: Rules = "1/minute".parse().unwrap();
        let checks: [(&[u8], _); 2] = [(b"a", Check::from(&rules)), (b"b", Check::from(&rules))];
        for allowed in [true, false] {
            let decisions = limiter.0.check_separately(&checks, false, OnRejection::Fail).await;
            let decisions = decisions.unwrap();
            assert!(decisions.iter().all(|decision| decision.allowed() == allowed));
        }
    }
}
