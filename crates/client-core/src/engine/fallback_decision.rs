use ratelog_core::{Cost, Decision, Limit, Rule, Rules, Window};

/// What is answered without looking at any log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FixedOutcome {
    /// It is allowed.
    Allow,
    /// It is denied, with the milliseconds after which it is worth another try.
    Deny(u64),
}

/// A decision without a log: of the first of `rules`, or, where none are known, of a rule that `cost` just keeps to.
///
/// ```
/// use ratelog_client_core::{FixedOutcome, fallback_decision};
/// use ratelog_core::Cost;
///
/// let denied = fallback_decision(FixedOutcome::Deny(5_000), None, Cost::ONE);
/// assert_eq!((denied.allowed, denied.retry_after), (false, Some(5_000)));
/// ```
#[must_use]
pub fn fallback_decision(grant: FixedOutcome, rules: Option<&Rules>, cost: Cost) -> Decision {
    let rule = rules.map_or_else(|| just(cost), Rules::first);
    let (limit, window) = (rule.limit(), rule.window());
    match grant {
        FixedOutcome::Allow => Decision {
            allowed: true,
            limit,
            remaining: limit.units().saturating_sub(cost.units()),
            retry_after: Some(0),
            reset_after: window.millis(),
            window,
        },
        FixedOutcome::Deny(wait) => Decision {
            allowed: false,
            limit,
            remaining: 0,
            retry_after: Some(wait),
            reset_after: wait,
            window,
        },
    }
}

/// The limit that `cost` just reaches, in a second.
fn just(cost: Cost) -> Rule {
    const SECOND: Window = Window::from_millis(1_000).unwrap();
    Rule::new(Limit::from(cost), SECOND)
}

#[cfg(test)]
mod tests {
    use super::{Cost, FixedOutcome, fallback_decision};

    fn granting(grant: FixedOutcome) -> (u64, u64, Option<u64>, u64, u64) {
        let decided =
            fallback_decision(grant, Some(&"10/minute; 5/hour".parse().unwrap()), Cost::ONE);
        let (limit, window) = (decided.limit.units(), decided.window.millis());
        (limit, decided.remaining, decided.retry_after, decided.reset_after, window)
    }

    #[test]
    fn a_decision_without_a_log_tells_what_its_rules_could() {
        assert_eq!(granting(FixedOutcome::Allow), (10, 9, Some(0), 60_000, 60_000));
        assert_eq!(granting(FixedOutcome::Deny(700)), (10, 0, Some(700), 700, 60_000));
    }

    #[test]
    fn what_costs_more_than_its_limit_leaves_none_and_no_overflow() {
        let cost = Cost::new(11).unwrap();
        let rules = "10/minute".parse().unwrap();
        assert_eq!(fallback_decision(FixedOutcome::Allow, Some(&rules), cost).remaining, 0);
        assert_eq!(fallback_decision(FixedOutcome::Allow, None, cost).limit.units(), 11);
    }
}
