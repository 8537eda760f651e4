//! The check of several keys, all or nothing.

use std::sync::Arc;

use ratelog_client_core::engine::{FixedOutcome, Policies, UnknownPolicy, fallback_decision};
use ratelog_core::{Cost, Mode, Policy, PolicyName, ResolvedRules, Rule, RuleSource, Rules};

use super::connection::Connection;
use super::local::Local;
use super::operation::{LocalError, Operation};
use crate::command::{self, Command};
use crate::{Checks, Decision, Decisions, Error, Source, script};

pub(super) struct MultiCheckOp<'a> {
    pub(super) checks: &'a Checks<'a>,
    pub(super) can_be_split: bool,
}

type Resolved = ResolvedRules<Box<Rules>, Arc<Policy>>;

fn resolve(
    policies: &Policies,
    source: RuleSource<Rule, &PolicyName>,
) -> Result<Resolved, UnknownPolicy> {
    policies.resolve(match source {
        RuleSource::Rules(rule) => RuleSource::Rules(Box::new(Rules::one(rule))),
        RuleSource::Policy(name) => RuleSource::Policy(name),
    })
}

impl MultiCheckOp<'_> {
    fn resolve_all(&self, policies: &Policies) -> Result<ResolvedKeys<'_>, LocalError> {
        let (mut keys, mut unknown) = (Vec::with_capacity(self.checks.len()), Vec::new());
        for (key, resolved) in self.resolve_each(policies) {
            match resolved {
                Ok(resolved) => keys.push((key, resolved)),
                Err(error) => unknown.push(error),
            }
        }
        if unknown.is_empty() {
            Ok(ResolvedKeys(keys))
        } else {
            Err(LocalError::UnknownPolicies(unknown))
        }
    }

    fn resolve_each(
        &self,
        policies: &Policies,
    ) -> impl Iterator<Item = (&[u8], Result<Resolved, UnknownPolicy>)> {
        self.checks.keys().map(|(key, source)| (key, resolve(policies, source)))
    }
}

/// The keys of a check with the rules of each, in order.
///
/// Shadow policies deny nothing. So the keys under enforced rules are checked together, all or nothing, and then each
/// key under a shadow policy by itself.
struct ResolvedKeys<'a>(Vec<(&'a [u8], Resolved)>);

impl ResolvedKeys<'_> {
    fn enforced(&self) -> Vec<(&[u8], &Rules)> {
        self.with_mode(Mode::Enforce).collect()
    }

    fn shadow(&self) -> impl Iterator<Item = (&[u8], &Rules)> {
        self.with_mode(Mode::Shadow)
    }

    fn with_mode(&self, mode: Mode) -> impl Iterator<Item = (&[u8], &Rules)> {
        let keys = self.0.iter().filter(move |(_, resolved)| resolved.mode() == mode);
        keys.map(|(key, resolved)| (*key, resolved.rules()))
    }

    fn check(&self, local: &Local, cost: Cost) -> Vec<Decision> {
        let enforced = local.mcheck(&self.enforced(), cost);
        let record = enforced.iter().all(Decision::allowed);
        let decide = if record { Local::check } else { Local::peek };
        let shadow = self.shadow().map(|(key, rules)| decide(local, key, rules, cost)).collect();
        self.merge(enforced, shadow)
    }

    /// Merges the decisions on the enforced and on the shadow keys, in the order of the keys.
    fn merge(&self, enforced: Vec<Decision>, shadow: Vec<Decision>) -> Vec<Decision> {
        let (mut enforced, mut shadow) = (enforced.into_iter(), shadow.into_iter());
        let next = |(_, resolved): &(&[u8], Resolved)| match resolved.mode() {
            Mode::Enforce => enforced.next(),
            Mode::Shadow => shadow.next().map(|decision| decision.with_mode(Mode::Shadow)),
        };
        self.0.iter().filter_map(next).collect()
    }
}

impl Operation for MultiCheckOp<'_> {
    type Output = Decisions;

    fn checks(&self) -> usize {
        self.checks.len()
    }

    fn can_be_split(&self) -> bool {
        self.can_be_split
    }

    fn key(&self) -> &[u8] {
        self.checks.keys().next().map_or(&[], |(key, _)| key)
    }

    fn command(&self) -> Command<Decisions> {
        command::mcheck(self.checks)
    }

    async fn via_script(
        &self,
        connection: &mut Connection,
        policies: &Policies,
    ) -> Result<Decisions, Error> {
        let (cost, keys) = (self.checks.units(), self.resolve_all(policies)?);
        let enforced = match keys.enforced().as_slice() {
            [] => Vec::new(),
            keys => {
                let command = script::mcheck_rules(keys.iter().copied(), cost);
                script::run(connection, &command).await?.into_iter().collect()
            }
        };
        let record = enforced.iter().all(Decision::allowed);
        let command = if record { script::check_rules } else { script::peek_rules };
        let mut shadow = Vec::new();
        for (key, rules) in keys.shadow() {
            let checked = script::run(connection, &command(key, rules, cost)).await;
            // Then the checks must not be repeated, on another node for example.
            let is_recorded = record && !(enforced.is_empty() && shadow.is_empty());
            shadow.push(match checked {
                Err(error)
                    if error.failure_kind().is_none() || is_recorded && error.is_about_slot() =>
                {
                    tracing::debug!(event = "shadow_check_rejected", %error, "a shadow policy allows");
                    let allowed = fallback_decision(FixedOutcome::Allow, Some(rules), cost);
                    Decision::new(allowed, Source::Fallback)
                }
                checked => checked?,
            });
        }
        Ok(keys.merge(enforced, shadow).into())
    }

    fn local(&self, local: &Local, policies: &Policies) -> Result<Decisions, LocalError> {
        Ok(self.resolve_all(policies)?.check(local, self.checks.units()).into())
    }

    fn local_allowing_unknown(&self, local: &Local, policies: &Policies) -> Option<Decisions> {
        let (mut known, mut is_known) = (Vec::new(), Vec::with_capacity(self.checks.len()));
        for (key, resolved) in self.resolve_each(policies) {
            is_known.push(resolved.is_ok());
            known.extend(resolved.ok().map(|resolved| (key, resolved)));
        }
        let cost = self.checks.units();
        let mut decisions = ResolvedKeys(known).check(local, cost).into_iter();
        let allowed = || {
            let decision = fallback_decision(FixedOutcome::Allow, None, cost);
            Decision::new(decision, Source::Fallback)
        };
        let decide = |is_known| if is_known { decisions.next() } else { Some(allowed()) };
        is_known.into_iter().map(decide).collect::<Option<Vec<_>>>().map(Decisions::from)
    }

    fn fixed(&self, outcome: FixedOutcome, policies: &Policies) -> Option<Decisions> {
        let decide = |(_, source)| {
            let resolved = resolve(policies, source).ok();
            let rules = resolved.as_ref().map(ResolvedRules::rules);
            let decision = fallback_decision(outcome, rules, self.checks.units());
            Decision::new(decision, Source::Fallback)
        };
        Some(self.checks.keys().map(decide).collect::<Vec<_>>().into())
    }
}
