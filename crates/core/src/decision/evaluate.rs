use std::borrow::Borrow;
use std::ops::Deref;

use arrayvec::ArrayVec;

use super::rule_state::RuleState;
use super::{DecidedBy, Decision, Evaluation, Explanation};
use crate::log::{Cursor, Log};
use crate::{Action, Cost, Instant, Mode, Override, Policy, ResolvedRules, Rule, Rules};

/// Decides a check of `cost` at `now` and records its units if it is allowed.
pub fn check(log: &mut Log, now: Instant, rules: &Rules, cost: Cost) -> Decision {
    let decision = decide(log, now, rules, cost);
    if decision.allowed {
        log.record(now, cost, rules.longest_window());
    } else {
        log.shift(now);
    }
    decision
}

/// Decides a check of `cost` at `now` and returns the decision as it is after the units are recorded. You must then
/// call [`Log::record`] if the check is allowed, or [`Log::shift`] if it is denied.
///
/// The log's value does not change, but the log may cache the starts of the windows for the next check.
pub fn decide(log: &mut Log, now: Instant, rules: &Rules, cost: Cost) -> Decision {
    ResolvedRules::from(rules).evaluate(None, log, now, cost.units()).recorded_decision()
}

/// Returns the decision that a check of `cost` at `now` would get on the current log.
#[must_use]
pub fn peek(log: &Log, now: Instant, rules: &Rules, cost: Cost) -> Decision {
    apply_rules(log, now, rules, cost.units(), |_| {})
}

impl<R: Borrow<Rules>, P: Deref<Target: Borrow<Policy>>> ResolvedRules<R, P> {
    /// Evaluates a check of `units` at `now` on a key with this override. If a command checks the key several times,
    /// `units` includes the units of the earlier checks. The caller records the units.
    ///
    /// The log's value does not change, but the log may cache the starts of the windows for the next check.
    pub fn evaluate(
        &self,
        key_override: Option<&Override>,
        log: &mut Log,
        now: Instant,
        units: u64,
    ) -> Evaluation {
        let check = Check { rules: self.rules(), mode: self.mode(), key_override, now, units };
        let mut cursors = ArrayVec::<Cursor, { Rules::MAX }>::new();
        let evaluation = check.evaluate(log, |cursor| cursors.extend(cursor));
        for cursor in &cursors {
            log.cache_cursor(*cursor);
        }
        evaluation
    }

    /// Like [`Self::evaluate`], but only reads the log.
    #[must_use]
    pub fn peek(
        &self,
        key_override: Option<&Override>,
        log: &Log,
        now: Instant,
        units: u64,
    ) -> Evaluation {
        let check = Check { rules: self.rules(), mode: self.mode(), key_override, now, units };
        check.evaluate(log, |_| {})
    }

    /// Like [`Self::peek`], and also returns the decision of each rule.
    #[must_use]
    pub fn explain(
        &self,
        key_override: Option<&Override>,
        log: &Log,
        now: Instant,
        units: u64,
    ) -> Explanation {
        let evaluation = self.peek(key_override, log, now, units);
        let live = key_override.filter(|key_override| key_override.is_live(now));
        let (rules, is_by_rules) = match live.map(|key_override| &key_override.action) {
            None => (self.rules(), true),
            Some(Action::Limit(override_rules)) => (override_rules, true),
            Some(Action::Allow | Action::Deny) => (self.rules(), false),
        };
        let by_rule =
            |rule| RuleState::evaluate(log, now, rule, units, &mut |_| {}).into_decision();
        let binding = || binding_index(rules, &evaluation.decision);
        Explanation {
            evaluation,
            by_rule: rules.iter().map(by_rule).collect(),
            // In shadow mode, the decision is not that of the rule that would have denied.
            binding: evaluation.denied_by.or_else(|| is_by_rules.then(binding).flatten()),
        }
    }
}

/// All inputs of one check of one key, except for its log.
struct Check<'a> {
    rules: &'a Rules,
    mode: Mode,
    key_override: Option<&'a Override>,
    now: Instant,
    units: u64,
}

impl Check<'_> {
    fn evaluate(&self, log: &Log, on_cursor: impl FnMut(Option<Cursor>)) -> Evaluation {
        let &Self { rules, mode, key_override, now, units } = self;
        if let Some(key_override) = key_override
            && key_override.is_live(now)
        {
            return self.apply_override(key_override, log, on_cursor);
        }
        let decision = apply_rules(log, now, rules, units, on_cursor);
        let decided_by = DecidedBy::Rules;
        if decision.allowed {
            let record_for = Some(rules.longest_window());
            return Evaluation { decision, units, record_for, decided_by, denied_by: None };
        }
        let denied_by = binding_index(rules, &decision);
        let denied = Evaluation { decision, units, record_for: None, decided_by, denied_by };
        if mode == Mode::Shadow {
            let decision = allow_all(log, now, rules);
            return Evaluation { decision, decided_by: DecidedBy::Shadow, ..denied };
        }
        denied
    }

    #[cold]
    fn apply_override(
        &self,
        key_override: &Override,
        log: &Log,
        on_cursor: impl FnMut(Option<Cursor>),
    ) -> Evaluation {
        let &Self { rules, now, units, .. } = self;
        let (decision, record_for) = match &key_override.action {
            Action::Allow => (allow_all(log, now, rules), None),
            Action::Deny => {
                let retry_after = self.retry_after(key_override, log, None);
                let allowed = allow_all(log, now, rules);
                (Decision { allowed: false, remaining: 0, retry_after, ..allowed }, None)
            }
            Action::Limit(override_rules) => {
                let mut decision = apply_rules(log, now, override_rules, units, on_cursor);
                if !decision.allowed {
                    decision.retry_after =
                        self.retry_after(key_override, log, decision.retry_after);
                }
                // The caller's windows count these units again after the override ends.
                let window = override_rules.longest_window().max(rules.longest_window());
                (decision, decision.allowed.then_some(window))
            }
        };
        let decided_by = DecidedBy::Override;
        Evaluation { decision, units, record_for, decided_by, denied_by: None }
    }

    /// Returns the milliseconds after which this denied check is allowed: by the override after `under_override`, or by
    /// the check's rules when the override has ended.
    fn retry_after(
        &self,
        key_override: &Override,
        log: &Log,
        under_override: Option<u64>,
    ) -> Option<u64> {
        let Some(until) = key_override.until else { return under_override };
        let left = until.unix_millis() - self.now.unix_millis();
        let end = left.unsigned_abs();
        if under_override.is_some_and(|retry_after| retry_after < end) {
            return under_override;
        }
        if self.mode == Mode::Shadow {
            return Some(end);
        }
        // A log that is ahead of the clock shifts back to it.
        let at_end = Instant::from_clock(log.effective(self.now) + left);
        let after_end = apply_rules(log, at_end, self.rules, self.units, |_| {}).retry_after;
        after_end.map(|retry_after| end + retry_after)
    }
}

/// Decides on `units` with the current log. `on_cursor` receives each position found in the log.
fn apply_rules(
    log: &Log,
    now: Instant,
    rules: &Rules,
    units: u64,
    mut on_cursor: impl FnMut(Option<Cursor>),
) -> Decision {
    let mut binding = RuleState::evaluate(log, now, rules.first(), units, &mut on_cursor);
    for &rule in rules.rest() {
        binding = binding.binding(RuleState::evaluate(log, now, rule, units, &mut on_cursor));
    }
    binding.into_decision()
}

/// Returns the index of the decision's binding rule. Of equal rules, the first one binds.
fn binding_index(rules: &Rules, decision: &Decision) -> Option<usize> {
    let binding = Rule::new(decision.limit, decision.window);
    rules.iter().position(|rule| rule == binding)
}

/// Returns the decision on the current log for a check that is allowed regardless of the rules.
fn allow_all(log: &Log, now: Instant, rules: &Rules) -> Decision {
    let first = RuleState::allowed(log, now, rules.first());
    let allowed = rules.rest().iter().map(|&rule| RuleState::allowed(log, now, rule));
    allowed.fold(first, RuleState::binding).into_decision()
}
