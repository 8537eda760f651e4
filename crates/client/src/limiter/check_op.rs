//! The check and the peek of one key.

use std::sync::Arc;

use ratelog_client_core::engine::{FixedOutcome, Policies, UnknownPolicy, fallback_decision};
use ratelog_core::{Mode, Policy, ResolvedRules, Rules};

use super::connection::Connection;
use super::local::Local;
use super::operation::{LocalError, Operation};
use crate::command::{self, Command};
use crate::{Check, Decision, Error, Source, script};

pub(super) struct CheckOp<'a> {
    pub(super) key: &'a [u8],
    pub(super) check: Check<'a>,
    /// Whether to record the units: a check does, a peek does not.
    pub(super) record: bool,
}

impl<'a> CheckOp<'a> {
    fn resolve(
        &self,
        policies: &Policies,
    ) -> Result<ResolvedRules<&'a Rules, Arc<Policy>>, UnknownPolicy> {
        policies.resolve(self.check.rule_source())
    }

    /// The decision without a log of a shadow policy that this process knows; `None` for other rules.
    pub(super) fn allowed_by_shadow(&self, policies: &Policies) -> Option<Decision> {
        let resolved = self.resolve(policies).ok()?;
        let (outcome, cost) = (FixedOutcome::Allow, self.check.units());
        (resolved.mode() == Mode::Shadow).then(|| {
            let allowed = fallback_decision(outcome, Some(resolved.rules()), cost);
            Decision::new(allowed, Source::Fallback)
        })
    }

    fn resolve_local(
        &self,
        policies: &Policies,
    ) -> Result<ResolvedRules<&'a Rules, Arc<Policy>>, LocalError> {
        self.resolve(policies).map_err(|unknown| LocalError::UnknownPolicies(vec![unknown]))
    }
}

impl Operation for CheckOp<'_> {
    type Output = Decision;

    fn checks(&self) -> usize {
        1
    }

    fn key(&self) -> &[u8] {
        self.key
    }

    fn command(&self) -> Command<Decision> {
        let command = if self.record { command::check } else { command::peek };
        command(self.key, self.check)
    }

    async fn via_script(
        &self,
        connection: &mut Connection,
        policies: &Policies,
    ) -> Result<Decision, Error> {
        let resolved = self.resolve_local(policies)?;
        let command = if self.record { script::check_rules } else { script::peek_rules };
        let command = command(self.key, resolved.rules(), self.check.units());
        Ok(script::run(connection, &command).await?.with_mode(resolved.mode()))
    }

    fn local(&self, local: &Local, policies: &Policies) -> Result<Decision, LocalError> {
        let resolved = self.resolve_local(policies)?;
        let decide = if self.record { Local::check } else { Local::peek };
        let decision = decide(local, self.key, resolved.rules(), self.check.units());
        Ok(decision.with_mode(resolved.mode()))
    }

    fn local_allowing_unknown(&self, _: &Local, policies: &Policies) -> Option<Decision> {
        self.fixed(FixedOutcome::Allow, policies)
    }

    fn fixed(&self, outcome: FixedOutcome, policies: &Policies) -> Option<Decision> {
        let resolved = self.resolve(policies).ok();
        let rules = resolved.as_ref().map(ResolvedRules::rules);
        let decision = fallback_decision(outcome, rules, self.check.units());
        Some(Decision::new(decision, Source::Fallback))
    }
}
