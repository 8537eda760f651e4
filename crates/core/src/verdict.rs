use arrayvec::ArrayVec;

use crate::decide::{pass, recorded, weigh};
use crate::log::{Cursor, Log};
use crate::{Action, Decision, Instant, Mode, Override, Rules, Window};

/// All that one check of one key is decided by.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The caller's rules.
    pub rules: &'a Rules,
    /// What becomes of the check if they deny it.
    pub mode: Mode,
    /// What an operator put on the key. It goes before the rules and their mode.
    pub overruled_by: Option<&'a Override>,
}

/// What becomes of one check of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The decision with the log as it stands.
    pub standing: Decision,
    /// The units that the decision was for.
    pub units: u64,
    /// For how long the units are to be kept; `None` if they are not to be recorded.
    pub record_for: Option<Window>,
    /// What decided.
    pub ground: Ground,
}

/// What a verdict rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// The caller's rules.
    Rules,
    /// The caller's rules denied the check, but are in [`Mode::Shadow`].
    Shadow,
    /// An override of the key.
    Override,
}

impl Terms<'_> {
    /// The verdict on `units` at `now`; with several checks of the key in one command, `units` counts
    /// those before it too. Nothing is recorded: that is left to the caller.
    ///
    /// The log's value stays as it is; it may remember where the windows begin, for the next check.
    pub fn decide(&self, log: &mut Log, now: Instant, units: u64) -> Verdict {
        let mut cursors = ArrayVec::<Cursor, { Rules::MAX }>::new();
        let verdict = self.judge(log, now, units, |cursor| cursors.extend(cursor));
        for cursor in &cursors {
            log.remember(*cursor);
        }
        verdict
    }

    /// The same, of a log that is only looked at.
    #[must_use]
    pub fn peek(&self, log: &Log, now: Instant, units: u64) -> Verdict {
        self.judge(log, now, units, |_| {})
    }

    fn judge(
        &self,
        log: &Log,
        now: Instant,
        units: u64,
        sought: impl FnMut(Option<Cursor>),
    ) -> Verdict {
        if let Some(overruling) = self.overruled_by
            && overruling.is_live(now)
        {
            return self.overrule(overruling, log, now, units, sought);
        }
        let standing = weigh(log, now, self.rules, units, sought);
        if standing.allowed {
            let record_for = Some(self.rules.longest_window());
            Verdict { standing, units, record_for, ground: Ground::Rules }
        } else if self.mode == Mode::Shadow {
            let standing = pass(log, now, self.rules);
            Verdict { standing, units, record_for: None, ground: Ground::Shadow }
        } else {
            Verdict { standing, units, record_for: None, ground: Ground::Rules }
        }
    }

    #[cold]
    fn overrule(
        &self,
        overruling: &Override,
        log: &Log,
        now: Instant,
        units: u64,
        sought: impl FnMut(Option<Cursor>),
    ) -> Verdict {
        let (standing, record_for) = match &overruling.action {
            Action::Allow => (pass(log, now, self.rules), None),
            Action::Deny => {
                let retry_after = overruling
                    .until
                    .map(|until| (until.unix_millis() - now.unix_millis()).unsigned_abs());
                let passed = pass(log, now, self.rules);
                (Decision { allowed: false, remaining: 0, retry_after, ..passed }, None)
            }
            Action::Limit(rules) => {
                let standing = weigh(log, now, rules, units, sought);
                // Kept for the caller's windows too, which count again when the override ends.
                let window = rules.longest_window().max(self.rules.longest_window());
                (standing, standing.allowed.then_some(window))
            }
        };
        Verdict { standing, units, record_for, ground: Ground::Override }
    }
}

impl Verdict {
    /// The decision as it is told after the units are recorded, where they are to be.
    #[must_use]
    pub fn decision(&self) -> Decision {
        match self.record_for {
            Some(_) => recorded(self.standing, self.units),
            None => self.standing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Ground, Terms};
    use crate::{Action, Cost, Instant, Limit, Log, Mode, Override, Rule, Rules, Window};

    fn at(millis: i64) -> Instant {
        Instant::from_unix_millis(millis).unwrap()
    }

    fn rule(limit: u32, millis: u64) -> Rule {
        Rule::new(Limit::new(limit).unwrap(), Window::from_millis(millis).unwrap())
    }

    /// One unit at 1,000 and one at 1,500.
    fn log() -> Log {
        let mut log = Log::new();
        for instant in [1_000, 1_500] {
            log.record(at(instant), Cost::ONE, Window::from_millis(10_000).unwrap());
        }
        log
    }

    /// Limit, remaining, retry-after and reset-after of the check of one unit at 2,000.
    fn told(terms: &Terms<'_>) -> (bool, u64, u64, Option<u64>, u64) {
        let verdict = terms.decide(&mut log(), at(2_000), 1);
        assert_eq!(terms.peek(&log(), at(2_000), 1), verdict);
        let told = verdict.decision();
        (told.allowed, told.limit.units(), told.remaining, told.retry_after, told.reset_after)
    }

    fn verdict(terms: &Terms<'_>, units: u64) -> (Ground, bool, Option<u64>) {
        let verdict = terms.decide(&mut log(), at(2_000), units);
        let kept = verdict.record_for.map(Window::millis);
        (verdict.ground, verdict.standing.allowed, kept)
    }

    #[test]
    fn rules_decide_where_nothing_else_does() {
        let rules = Rules::new([rule(3, 2_000), rule(9, 5_000)]).unwrap();
        let terms = Terms { rules: &rules, mode: Mode::Enforce, overruled_by: None };
        assert_eq!(told(&terms), (true, 3, 0, Some(0), 2_000));
        assert_eq!(verdict(&terms, 1), (Ground::Rules, true, Some(5_000)));
        assert_eq!(verdict(&terms, 2), (Ground::Rules, false, None));
    }

    #[test]
    fn a_shadow_allows_what_it_would_deny_and_records_only_the_rest() {
        let rules = Rules::new([rule(9, 5_000), rule(2, 2_000)]).unwrap();
        let terms = Terms { rules: &rules, mode: Mode::Shadow, overruled_by: None };
        assert_eq!(told(&terms), (true, 2, 0, Some(0), 1_500));
        assert_eq!(verdict(&terms, 1), (Ground::Shadow, true, None));
        let rules = Rules::one(rule(3, 2_000));
        let terms = Terms { rules: &rules, ..terms };
        assert_eq!(verdict(&terms, 1), (Ground::Rules, true, Some(2_000)));
    }

    #[test]
    fn what_is_allowed_anyway_is_told_of_the_fullest_rule() {
        let rules = Rules::new([rule(9, 5_000), rule(1, 2_000), rule(2, 700)]).unwrap();
        let terms = Terms { rules: &rules, mode: Mode::Shadow, overruled_by: None };
        assert_eq!(told(&terms), (true, 1, 0, Some(0), 1_500));
    }

    #[test]
    fn an_override_goes_before_rules_and_their_mode() {
        let rules = Rules::new([rule(9, 5_000), rule(2, 2_000)]).unwrap();
        let check = |action, until, mode, units| {
            let put = Override { action, until };
            let terms = Terms { rules: &rules, mode, overruled_by: Some(&put) };
            (told(&terms), verdict(&terms, units))
        };
        let limit = Action::Limit(Rules::one(rule(3, 2_000)));
        let overridden = |allowed, kept| (Ground::Override, allowed, kept);

        let (answer, verdict) = check(Action::Allow, None, Mode::Enforce, 1);
        assert_eq!(answer, (true, 2, 0, Some(0), 1_500));
        assert_eq!(verdict, overridden(true, None));

        let (answer, verdict) = check(Action::Deny, None, Mode::Shadow, 1);
        assert_eq!(answer, (false, 2, 0, None, 1_500));
        assert_eq!(verdict, overridden(false, None));
        let (answer, _) = check(Action::Deny, Some(at(2_700)), Mode::Enforce, 1);
        assert_eq!(answer, (false, 2, 0, Some(700), 1_500));

        let (answer, verdict) = check(limit.clone(), None, Mode::Shadow, 1);
        assert_eq!(answer, (true, 3, 0, Some(0), 2_000));
        assert_eq!(verdict, overridden(true, Some(5_000)));
        let (_, verdict) = check(limit.clone(), None, Mode::Shadow, 2);
        assert_eq!(verdict, overridden(false, None));

        let (_, verdict) = check(limit, Some(at(2_000)), Mode::Enforce, 1);
        assert_eq!(verdict, (Ground::Rules, false, None));
    }
}
