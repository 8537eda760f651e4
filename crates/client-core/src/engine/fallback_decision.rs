use ratelog_core::{Cost, Decision, Limit, Mode, Rule, Rules, Window};

/// The outcome of a check that is decided without a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FixedOutcome {
    /// The check is allowed.
    Allow,
    /// The check is denied.
    Deny {
        /// The wait that the denial reports, in milliseconds.
        retry_after_ms: u64,
    },
}

/// A decision without a log. It reports the first of `rules`, or, if the rules are not known, a limit of `cost` units a
/// second.
///
/// ```
/// use ratelog_client_core::engine::{FixedOutcome, fallback_decision};
/// use ratelog_core::Cost;
///
/// let outcome = FixedOutcome::Deny { retry_after_ms: 5_000 };
/// let denied = fallback_decision(outcome, None, Cost::ONE);
/// assert_eq!((denied.allowed, denied.retry_after), (false, Some(5_000)));
/// ```
#[must_use]
pub fn fallback_decision(outcome: FixedOutcome, rules: Option<&Rules>, cost: Cost) -> Decision {
    let rule = rules.map_or_else(|| cost_per_second(cost), Rules::first);
    let (limit, window) = (rule.limit(), rule.window());
    match outcome {
        FixedOutcome::Allow => Decision {
            allowed: true,
            limit,
            remaining: limit.units().saturating_sub(cost.units()),
            retry_after: Some(0),
            reset_after: window.millis(),
            window,
        },
        FixedOutcome::Deny { retry_after_ms } => Decision {
            allowed: false,
            limit,
            remaining: 0,
            retry_after: Some(retry_after_ms),
            reset_after: retry_after_ms,
            window,
        },
    }
}

fn cost_per_second(cost: Cost) -> Rule {
    const SECOND: Window = Window::from_millis(1_000).unwrap();
    Rule::new(Limit::from(cost), SECOND)
}

/// The decision as the mode of its policy has it: under [`Mode::Shadow`] a denial is reported as allowed.
///
/// ```
/// use ratelog_client_core::engine::{FixedOutcome, apply_mode, fallback_decision};
/// use ratelog_core::{Cost, Mode};
///
/// let denied = fallback_decision(FixedOutcome::Deny { retry_after_ms: 5_000 }, None, Cost::ONE);
/// assert!(!apply_mode(Mode::Enforce, denied).allowed);
/// let shadow = apply_mode(Mode::Shadow, denied);
/// assert_eq!((shadow.allowed, shadow.retry_after), (true, Some(0)));
/// ```
#[must_use]
pub fn apply_mode(mode: Mode, decision: Decision) -> Decision {
    if mode == Mode::Enforce || decision.allowed {
        return decision;
    }
    Decision { allowed: true, retry_after: Some(0), ..decision }
}

#[cfg(test)]
mod tests {
    use super::{Cost, FixedOutcome, fallback_decision};

    /// Limit, remaining, retry-after, reset-after and window.
    fn decide(outcome: FixedOutcome) -> (u64, u64, Option<u64>, u64, u64) {
        let rules = "10/minute; 5/hour".parse().unwrap();
        let decision = fallback_decision(outcome, Some(&rules), Cost::ONE);
        let (limit, window) = (decision.limit.units(), decision.window.millis());
        (limit, decision.remaining, decision.retry_after, decision.reset_after, window)
    }

    #[test]
    fn a_fixed_decision_reports_its_first_rule() {
        let denied = FixedOutcome::Deny { retry_after_ms: 700 };
        assert_eq!(decide(FixedOutcome::Allow), (10, 9, Some(0), 60_000, 60_000));
        assert_eq!(decide(denied), (10, 0, Some(700), 700, 60_000));
    }

    #[test]
    fn a_cost_above_the_limit_leaves_nothing_and_does_not_overflow() {
        let cost = Cost::new(11).unwrap();
        let rules = "10/minute".parse().unwrap();
        assert_eq!(fallback_decision(FixedOutcome::Allow, Some(&rules), cost).remaining, 0);
        assert_eq!(fallback_decision(FixedOutcome::Allow, None, cost).limit.units(), 11);
    }
}
