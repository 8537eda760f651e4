use super::Decision;
use crate::Window;

/// The result of evaluating one check of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// The decision on the current log, before the units are recorded.
    pub decision: Decision,
    /// The units that the decision is for.
    pub units: u64,
    /// The time for which the units must be retained, or `None` if they must not be recorded.
    pub record_for: Option<Window>,
    /// The source of the decision.
    pub decided_by: DecidedBy,
    /// The index of the rule with the longest retry-after if the check's rules deny it, also in
    /// [`Mode::Shadow`](crate::Mode::Shadow). `None` if they allow it, or if an override decides.
    pub denied_by: Option<usize>,
}

/// The source of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecidedBy {
    /// The check's rules.
    Rules,
    /// The check's rules denied it, but their policy is in [`Mode::Shadow`](crate::Mode::Shadow).
    Shadow,
    /// An override of the key.
    Override,
}

impl Evaluation {
    /// Returns whether rules allowed the check and leave at most a fifth of the binding rule's limit. The rules may be
    /// those of an override, and of a policy in shadow mode. They do not decide a check that an override allows or denies.
    #[must_use]
    pub fn is_near_limit(&self) -> bool {
        let is_by_rules = self.record_for.is_some() || self.decided_by == DecidedBy::Shadow;
        let decision = self.recorded_decision();
        decision.allowed && is_by_rules && decision.remaining * 5 <= decision.limit.units()
    }

    /// Returns the decision as it is after the units are recorded, if they must be recorded.
    #[must_use]
    pub fn recorded_decision(&self) -> Decision {
        let decision = self.decision;
        if self.record_for.is_none() {
            return decision;
        }
        Decision {
            remaining: decision.remaining.saturating_sub(self.units),
            reset_after: decision.window.millis(),
            ..decision
        }
    }
}

#[cfg(test)]
mod tests {
    use super::DecidedBy;
    use crate::{
        Action, Cost, Instant, Limit, Log, Mode, Override, Policy, ResolvedRules, Rule, Rules,
        Window,
    };

    fn at(millis: i64) -> Instant {
        Instant::from_unix_millis(millis).unwrap()
    }

    fn rule(limit: u32, millis: u64) -> Rule {
        Rule::new(Limit::new(limit), Window::from_millis(millis).unwrap())
    }

    /// Returns a log with one unit at 1,000 and one at 1,500.
    fn log() -> Log {
        let mut log = Log::new();
        for instant in [1_000, 1_500] {
            log.record(at(instant), Cost::ONE, Window::from_millis(10_000).unwrap());
        }
        log
    }

    struct Case {
        policy: Policy,
        key_override: Option<Override>,
    }

    impl Case {
        fn new(mode: Mode, rules: &[Rule]) -> Self {
            let rules = Rules::new(rules.iter().copied()).unwrap();
            Self { policy: Policy { rules, mode }, key_override: None }
        }

        /// Returns allowed, limit, remaining, retry-after and reset-after of a check of one unit at 2,000.
        fn decision(&self) -> (bool, u64, u64, Option<u64>, u64) {
            let resolved = ResolvedRules::<Rules, _>::Policy(&self.policy);
            let key_override = self.key_override.as_ref();
            let evaluation = resolved.evaluate(key_override, &mut log(), at(2_000), 1);
            assert_eq!(resolved.peek(key_override, &log(), at(2_000), 1), evaluation);
            let decision = evaluation.recorded_decision();
            let limit = decision.limit.units();
            (
                decision.allowed,
                limit,
                decision.remaining,
                decision.retry_after,
                decision.reset_after,
            )
        }

        /// Returns the source of the decision on `units` at 2,000, whether they are allowed, and their retention.
        fn outcome(&self, units: u64) -> (DecidedBy, bool, Option<u64>) {
            let resolved = ResolvedRules::<Rules, _>::Policy(&self.policy);
            let key_override = self.key_override.as_ref();
            let evaluation = resolved.evaluate(key_override, &mut log(), at(2_000), units);
            let record_for = evaluation.record_for.map(Window::millis);
            (evaluation.decided_by, evaluation.decision.allowed, record_for)
        }
    }

    #[test]
    fn rules_decide_without_an_override() {
        let case = Case::new(Mode::Enforce, &[rule(3, 2_000), rule(9, 5_000)]);
        assert_eq!(case.decision(), (true, 3, 0, Some(0), 2_000));
        assert_eq!(case.outcome(1), (DecidedBy::Rules, true, Some(5_000)));
        assert_eq!(case.outcome(2), (DecidedBy::Rules, false, None));
    }

    #[test]
    fn shadow_mode_allows_what_the_rules_deny_and_does_not_record_it() {
        let case = Case::new(Mode::Shadow, &[rule(9, 5_000), rule(2, 2_000)]);
        assert_eq!(case.decision(), (true, 2, 0, Some(0), 1_500));
        assert_eq!(case.outcome(1), (DecidedBy::Shadow, true, None));
        let case = Case::new(Mode::Shadow, &[rule(3, 2_000)]);
        assert_eq!(case.outcome(1), (DecidedBy::Rules, true, Some(2_000)));
    }

    #[test]
    fn a_check_that_is_always_allowed_reports_the_fullest_rule() {
        let case = Case::new(Mode::Shadow, &[rule(9, 5_000), rule(1, 2_000), rule(2, 700)]);
        assert_eq!(case.decision(), (true, 1, 0, Some(0), 1_500));
    }

    #[test]
    fn the_binding_rule_of_a_denial_is_known() {
        let denied_by = |mode, rules: &[Rule], units| {
            let policy = Case::new(mode, rules).policy;
            let resolved = ResolvedRules::<Rules, _>::Policy(&policy);
            resolved.evaluate(None, &mut log(), at(2_000), units).denied_by
        };
        // The third rule denies for 3,500 ms, the second for 500 ms.
        let rules = [rule(9, 5_000), rule(2, 1_500), rule(2, 4_500), rule(2, 4_500)];
        for mode in [Mode::Enforce, Mode::Shadow] {
            assert_eq!(denied_by(mode, &rules, 1), Some(2));
            assert_eq!(denied_by(mode, &rules[..2], 1), Some(1));
            assert_eq!(denied_by(mode, &rules[..1], 1), None);
            assert_eq!(denied_by(mode, &rules[..1], 10), Some(0));
            // Never is the longest, and the first rule wins a tie.
            assert_eq!(denied_by(mode, &rules, 10), Some(0));
        }
    }

    #[test]
    fn a_check_is_near_the_limit_if_at_most_a_fifth_remains() {
        let is_near = |case: &Case, units| {
            let resolved = ResolvedRules::<Rules, _>::Policy(&case.policy);
            let key_override = case.key_override.as_ref();
            resolved.evaluate(key_override, &mut log(), at(2_000), units).is_near_limit()
        };
        // Two units are in the log.
        let ten = Case::new(Mode::Enforce, &[rule(10, 5_000), rule(1_000, 5_000)]);
        let near = [(5, false), (6, true), (8, true), (9, false)];
        assert_eq!(near.map(|(units, _)| (units, is_near(&ten, units))), near);
        let shadow = Case::new(Mode::Shadow, &[rule(10, 5_000)]);
        let near = [(5, false), (6, true), (8, true), (9, false)];
        assert_eq!(near.map(|(units, _)| (units, is_near(&shadow, units))), near);
        let full = Case::new(Mode::Shadow, &[rule(2, 5_000)]);
        assert!(is_near(&full, 1));

        let overridden = |action| {
            let mut case = Case::new(Mode::Enforce, &[rule(2, 5_000)]);
            case.key_override = Some(Override { action, until: None });
            case
        };
        assert!(!is_near(&overridden(Action::Allow), 1));
        assert!(!is_near(&overridden(Action::Deny), 1));
        let ten = overridden(Action::Limit(Rules::one(rule(10, 5_000))));
        assert_eq!(near.map(|(units, _)| (units, is_near(&ten, units))), near);
    }

    #[test]
    fn an_override_takes_precedence_over_rules_and_mode() {
        let case = |action, until, mode| {
            let mut case = Case::new(mode, &[rule(9, 5_000), rule(2, 2_000)]);
            case.key_override = Some(Override { action, until });
            case
        };
        let limit = Action::Limit(Rules::one(rule(3, 2_000)));
        let overridden = |allowed, record_for| (DecidedBy::Override, allowed, record_for);

        let allow = case(Action::Allow, None, Mode::Enforce);
        assert_eq!(allow.decision(), (true, 2, 0, Some(0), 1_500));
        assert_eq!(allow.outcome(1), overridden(true, None));

        let deny = case(Action::Deny, None, Mode::Shadow);
        assert_eq!(deny.decision(), (false, 2, 0, None, 1_500));
        assert_eq!(deny.outcome(1), overridden(false, None));
        // The rules deny until 3,000.
        let deny_until = |until, mode| case(Action::Deny, Some(at(until)), mode).decision();
        assert_eq!(deny_until(2_700, Mode::Enforce), (false, 2, 0, Some(1_000), 1_500));
        assert_eq!(deny_until(3_200, Mode::Enforce), (false, 2, 0, Some(1_200), 1_500));
        assert_eq!(deny_until(2_700, Mode::Shadow), (false, 2, 0, Some(700), 1_500));

        let limited = case(limit.clone(), None, Mode::Shadow);
        assert_eq!(limited.decision(), (true, 3, 0, Some(0), 2_000));
        assert_eq!(limited.outcome(1), overridden(true, Some(5_000)));
        assert_eq!(limited.outcome(2), overridden(false, None));

        let ended = case(limit, Some(at(2_000)), Mode::Enforce);
        assert_eq!(ended.outcome(1), (DecidedBy::Rules, false, None));
    }
}
