use super::{Decision, Evaluation};

/// An evaluation together with the decision of each rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The evaluation that a peek returns.
    pub evaluation: Evaluation,
    /// The decision of each rule, in order, as if it were the only rule and were enforced. The rules are those of the
    /// check, or those of an override that sets other rules.
    pub by_rule: Vec<Decision>,
    /// The index in [`by_rule`](Self::by_rule) of the rule that decided. For [`DecidedBy::Shadow`], it is the rule that
    /// would have denied the check. `None` if an override allows or denies all checks.
    ///
    /// [`DecidedBy::Shadow`]: super::DecidedBy::Shadow
    pub binding: Option<usize>,
}

#[cfg(test)]
mod tests {
    use crate::{
        Action, Cost, DecidedBy, Instant, Limit, Log, Mode, Override, Policy, ResolvedRules, Rule,
        Rules, Window, peek,
    };

    fn at(millis: i64) -> Instant {
        Instant::from_unix_millis(millis).unwrap()
    }

    fn rules<const N: usize>(rules: [(u32, u64); N]) -> Rules {
        let rule =
            |(limit, millis)| Rule::new(Limit::new(limit), Window::from_millis(millis).unwrap());
        Rules::new(rules.map(rule)).unwrap()
    }

    /// Explains a check of one unit at 2,000 of a log with one unit at 1,000 and one at 1,500. Compares the decisions with
    /// those of peeks under `applied`, and returns the source of the decision, whether it allows, and the binding rule.
    #[track_caller]
    fn explain(
        policy: &Policy,
        key_override: Option<&Override>,
        applied: &Rules,
    ) -> (DecidedBy, bool, Option<usize>) {
        let mut log = Log::new();
        for instant in [1_000, 1_500] {
            log.record(at(instant), Cost::ONE, Window::from_millis(10_000).unwrap());
        }
        let now = at(2_000);
        let resolved = ResolvedRules::<Rules, _>::Policy(policy);
        let explained = resolved.explain(key_override, &log, now, 1);
        assert_eq!(explained.evaluation, resolved.peek(key_override, &log, now, 1));
        let alone = applied.iter().map(|rule| peek(&log, now, &Rules::one(rule), Cost::ONE));
        assert_eq!(explained.by_rule, alone.collect::<Vec<_>>());
        let evaluation = explained.evaluation;
        (evaluation.decided_by, evaluation.decision.allowed, explained.binding)
    }

    #[test]
    fn the_binding_rule_of_the_check_is_known() {
        let under = |mode, rules: Rules| {
            let policy = Policy { rules: rules.clone(), mode };
            explain(&policy, None, &rules)
        };
        // The second rule has the least remaining.
        let allowed = rules([(9, 5_000), (3, 2_000), (3, 5_000)]);
        // The third rule denies for longer than the first. The second has the least remaining of those that allow.
        let denied = rules([(2, 1_500), (3, 5_000), (2, 4_500), (2, 4_500)]);
        assert_eq!(under(Mode::Enforce, allowed.clone()), (DecidedBy::Rules, true, Some(1)));
        assert_eq!(under(Mode::Enforce, denied.clone()), (DecidedBy::Rules, false, Some(2)));
        assert_eq!(under(Mode::Shadow, allowed), (DecidedBy::Rules, true, Some(1)));
        assert_eq!(under(Mode::Shadow, denied), (DecidedBy::Shadow, true, Some(2)));
    }

    #[test]
    fn an_override_decides_by_its_rules_or_by_none() {
        let given = rules([(9, 5_000), (2, 2_000)]);
        for mode in [Mode::Enforce, Mode::Shadow] {
            let policy = Policy { rules: given.clone(), mode };
            let under = |action, until, applied: &Rules| {
                explain(&policy, Some(&Override { action, until }), applied)
            };
            let by_override = |allowed, binding| (DecidedBy::Override, allowed, binding);
            assert_eq!(under(Action::Allow, None, &given), by_override(true, None));
            assert_eq!(under(Action::Deny, None, &given), by_override(false, None));
            let lower = rules([(5, 400), (8, 2_000), (1, 2_000)]);
            let limit = Action::Limit(lower.clone());
            assert_eq!(under(limit.clone(), None, &lower), by_override(false, Some(2)));
            // It ended.
            let (_, _, binding) = under(limit, Some(at(2_000)), &given);
            assert_eq!(binding, Some(1));
        }
    }
}
