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

/// The limits of a request on which there is a decision, at least one.
#[derive(Clone, Debug)]
pub(super) struct Decided {
    limits: Vec<RouteLimits>,
    decisions: Vec<Decision>,
    sent_at: Instant,
}

impl Decided {
    /// The limits with one decision each, in order. Those without one are left out. The checks were sent at `sent_at`.
    pub(super) fn new(
        limits: &AppliedLimits,
        decisions: impl IntoIterator<Item = Option<Decision>>,
        sent_at: Instant,
    ) -> Self {
        let pairs = limits.0.iter().zip(decisions);
        let pairs = pairs.filter_map(|((_, limits), one)| one.map(|one| (limits.clone(), one)));
        let (limits, decisions) = pairs.unzip();
        Self { limits, decisions, sent_at }
    }

    pub(super) fn decisions(&self) -> &[Decision] {
        &self.decisions
    }

    /// The decisions in order, `None` in place of one that has recorded no units, or whose units have left all windows. A
    /// refund takes the newest units of a key: then those of other requests.
    pub(super) fn recorded(&self) -> impl Iterator<Item = Option<&Decision>> {
        let age = Clock::monotonic_now().saturating_duration_since(self.sent_at);
        self.limits.iter().zip(&self.decisions).map(move |(limits, decision)| {
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
        // A decision by a fixed fallback counted nothing.
        let is_counted = |decision: &Decision| decision.source() != Source::Fallback;
        let family =
            if self.decisions.iter().any(is_counted) { family } else { HeaderFamily::None };
        append(response, self.set().headers(family, &self.core(), Clock::system_now()));
    }

    /// Problem details (RFC 9457) for a denied request.
    pub(super) fn problem(&self) -> String {
        match (&*self.limits, &*self.decisions) {
            ([limits], [decision]) => problem(limits.names(), decision.as_core()),
            _ => self.set().problem(&self.core()),
        }
    }

    /// The same decisions as if the units of these costs had not been recorded.
    pub(super) fn unrecorded(&self, costs: impl IntoIterator<Item = Cost>) -> Self {
        let pairs = self.decisions.iter().zip(costs);
        let decisions = pairs.map(|(decision, cost)| {
            if !decision.is_recorded() {
                return *decision;
            }
            Decision::new(unrecorded(*decision.as_core(), cost), decision.source())
        });
        Self { decisions: decisions.collect(), ..self.clone() }
    }

    fn set(&self) -> LimitSet {
        LimitSet::new(self.limits.iter().map(|limits| limits.names().clone()))
    }

    fn core(&self) -> Vec<ratelog_core::Decision> {
        self.decisions.iter().map(|decision| *decision.as_core()).collect()
    }
}
