//! The limits of one request, each with the key that it counts.

use std::time::{Duration, Instant};

use http::HeaderMap;
use ratelog_client_core::Clock;
use ratelog_client_core::engine::unrecorded;
use ratelog_client_core::http::{LimitSet, problem};
use ratelog_client_core::most_binding;
use ratelog_core::RuleSource;

use super::RouteLimits;
use crate::http::{HeaderFamily, add_headers, append};
use crate::{Check, Cost, Decision, Source};

#[derive(Clone, Debug)]
pub(super) struct AppliedLimits(Vec<(Vec<u8>, RouteLimits)>);

impl AppliedLimits {
    pub(super) const fn new(limits: Vec<(Vec<u8>, RouteLimits)>) -> Self {
        Self(limits)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The checks of the request.
    pub(super) fn checks(&self) -> Vec<(&[u8], Check<'_>)> {
        self.0.iter().map(|(key, limits)| (key.as_slice(), limits.check())).collect()
    }

    /// The keys, each with the cost of the request.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&[u8], Cost)> {
        self.0.iter().map(|(key, limits)| (key.as_slice(), limits.check().units()))
    }
}

/// The limits of a request and their decisions, at least one.
#[derive(Clone, Debug)]
pub(super) struct Decided {
    limits: Vec<RouteLimits>,
    decisions: Vec<Decision>,
    /// For each limit, whether there is a decision on it. A cached denial leaves the other limits without one.
    has_decision: Vec<bool>,
    sent_at: Instant,
}

impl Decided {
    /// The limits with at most one decision each, in order. The checks were sent at `sent_at`.
    pub(super) fn new(
        limits: &AppliedLimits,
        decisions: impl IntoIterator<Item = Option<Decision>>,
        sent_at: Instant,
    ) -> Self {
        let limits: Vec<_> = limits.0.iter().map(|(_, limits)| limits.clone()).collect();
        let mut has_decision = Vec::with_capacity(limits.len());
        let each = decisions.into_iter().inspect(|one| has_decision.push(one.is_some()));
        let decisions = each.flatten().collect();
        Self { limits, decisions, has_decision, sent_at }
    }

    /// The decisions in order, without gaps.
    pub(super) fn decisions(&self) -> &[Decision] {
        &self.decisions
    }

    /// One element per limit.
    fn by_limit(&self) -> impl Iterator<Item = (&RouteLimits, Option<&Decision>)> {
        let mut decisions = self.decisions.iter();
        let each = self.has_decision.iter().map(move |has| has.then(|| decisions.next()).flatten());
        self.limits.iter().zip(each)
    }

    /// One decision per limit, `None` in place of one that has recorded no units, or whose units have left all windows. A
    /// refund takes the newest units of a key: then those of other requests.
    pub(super) fn recorded(&self) -> impl Iterator<Item = Option<&Decision>> {
        let age = Clock::monotonic_now().saturating_duration_since(self.sent_at);
        self.by_limit().map(move |(limits, decision)| {
            let decision = decision?;
            let window = match limits.check().rule_source() {
                RuleSource::Rules(rules) => {
                    decision.window().max(Duration::from_millis(rules.longest_window().millis()))
                }
                // Its windows are not known here.
                RuleSource::Policy(_) => Duration::MAX,
            };
            (decision.is_recorded() && age < window).then_some(decision)
        })
    }

    /// The decision that a response reports: the denial with the longest retry-after, or else the decision with the
    /// least remaining.
    pub(super) fn binding(&self) -> Option<&Decision> {
        most_binding(&self.decisions, Decision::as_core)
    }

    pub(super) fn allowed(&self) -> bool {
        self.decisions.iter().all(Decision::allowed)
    }

    /// Adds the headers to a response.
    pub(super) fn add_headers(&self, response: &mut HeaderMap, family: HeaderFamily) {
        if let ([limits], [decision]) = (&*self.limits, &*self.decisions) {
            add_headers(response, family, limits.names(), decision);
            return;
        }
        append(response, self.set().headers(family, &self.core(), Clock::system_now()));
    }

    /// Problem details (RFC 9457) for a denied request.
    pub(super) fn problem(&self) -> String {
        match (&*self.limits, &*self.decisions) {
            ([limits], [decision]) => {
                problem(limits.names(), decision.as_core(), decision.source())
            }
            _ => self.set().problem(&self.core()),
        }
    }

    /// The same decisions as if the units of the request had not been recorded.
    pub(super) fn unrecorded(&self) -> Self {
        let decided = self.by_limit().filter_map(|(limits, decision)| Some((limits, decision?)));
        let decisions = decided.map(|(limits, decision)| {
            if !decision.is_recorded() {
                return *decision;
            }
            let core = unrecorded(*decision.as_core(), limits.check().units());
            Decision::new(core, decision.source())
        });
        Self { decisions: decisions.collect(), ..self.clone() }
    }

    /// All limits of the request, since the name of a limit depends on those before it.
    fn set(&self) -> LimitSet {
        LimitSet::new(self.limits.iter().map(|limits| limits.names().clone()))
    }

    fn core(&self) -> Vec<Option<(ratelog_core::Decision, Source)>> {
        let core = |decision: &Decision| (*decision.as_core(), decision.source());
        self.by_limit().map(|(_, decision)| decision.map(core)).collect()
    }
}
