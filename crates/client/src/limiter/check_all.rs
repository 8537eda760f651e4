//! Checks of several keys, each with rules and a cost of its own: all are recorded, or none.

use std::sync::Arc;

use futures_util::future::join_all;
use ratelog_client_core::Clock;
use ratelog_client_core::engine::unrecorded;
use ratelog_core::{Rule, RuleSource};

use super::check_op::CheckOp;
use super::engine::Engine;
use super::multi_check_op::MultiCheckOp;
use super::operation::RefundOp;
use crate::{Check, Checks, Decision, Decisions, Error, Source};

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
        let denials = checks.iter().map(|one| self.cached_denial(&operation(one)));
        let denials: Vec<_> = denials.collect();
        denials.iter().any(Option::is_some).then_some(denials)
    }

    /// Decides checks of several keys. Returns one decision per check, in order.
    pub(crate) async fn check_all(
        self: &Arc<Self>,
        checks: &[(&[u8], Check<'_>)],
        on_rejection: OnRejection,
    ) -> Result<Decisions, Error> {
        if let [single] = checks {
            let decision = self.check_or_fall_back(&operation(single), on_rejection).await?;
            return Ok(vec![decision].into());
        }
        if let Some(combined) = combine(checks).filter(|_| self.is_one_shard(checks)) {
            match self.mcheck(&MultiCheckOp(&combined)).await {
                Ok(decisions) => {
                    for (one, decision) in checks.iter().zip(&decisions) {
                        self.learn_policy(&operation(one), decision);
                    }
                    return Ok(decisions);
                }
                // One of the checks is wrong. Separately, the others are decided by the server.
                Err(error) if on_rejection == OnRejection::FallBack && !error.is_unavailable() => {}
                Err(error) => return Err(error),
            }
        }
        self.check_separately(checks, on_rejection).await
    }

    /// Sends one command per check. If one is denied or fails, takes back the units that the others recorded.
    async fn check_separately(
        self: &Arc<Self>,
        checks: &[(&[u8], Check<'_>)],
        on_rejection: OnRejection,
    ) -> Result<Decisions, Error> {
        let operations: Vec<_> = checks.iter().map(operation).collect();
        let decide = |operation| self.check_or_fall_back(operation, on_rejection);
        let results = join_all(operations.iter().map(decide)).await;
        if results.iter().all(|result| result.as_ref().is_ok_and(Decision::allowed)) {
            return results.into_iter().collect::<Result<Vec<_>, _>>().map(Decisions::from);
        }
        let recorded = results.iter().zip(&operations).filter_map(|(result, operation)| {
            result.as_ref().ok().filter(|decision| is_recorded(decision)).map(|_| operation)
        });
        join_all(recorded.map(|operation| self.take_back(operation))).await;
        let decisions = results.into_iter().zip(&operations).map(|(result, operation)| {
            let decision = result?;
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
        match self.check(operation).await {
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

    /// If this fails, the units stay for their window: the limit is never exceeded.
    async fn take_back(&self, operation: &CheckOp<'_>) {
        let (key, cost) = (operation.key, operation.check.units());
        let result = self.run_and_invalidate(key, &RefundOp { key, cost }).await;
        if let Err(error) = result {
            tracing::debug!(event = "not_taken_back", %error, "units stay for their window");
        }
    }

    fn is_one_shard(&self, checks: &[(&[u8], Check<'_>)]) -> bool {
        let Some(servers) = &self.servers else { return true };
        servers.have_one_shard(checks.iter().map(|(key, _)| *key))
    }
}

fn operation<'a>(&(key, check): &(&'a [u8], Check<'a>)) -> CheckOp<'a> {
    CheckOp { key, check, record: true }
}

/// Whether the check has recorded units that a refund takes back.
fn is_recorded(decision: &Decision) -> bool {
    decision.allowed() && decision.source() != Source::Fallback
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
