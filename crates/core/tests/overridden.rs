//! The retry-after of a denied check is the least time after which it is allowed, also under an override that ends.
#![allow(missing_docs, clippy::unwrap_used, reason = "a failing test should say where")]

use proptest::prelude::*;
use ratelog_core::{
    Action, Cost, Instant, Limit, Log, Mode, Override, Policy, ResolvedRules, Rule, Rules, Window,
};

const START: i64 = 1_700_000_000_000;

fn at(millis: i64) -> Instant {
    Instant::from_unix_millis(START + millis).unwrap()
}

fn rules() -> impl Strategy<Value = Rules> {
    let rule = (0..6_u32, 1..60_u64).prop_map(|(limit, millis)| {
        Rule::new(Limit::new(limit), Window::from_millis(millis).unwrap())
    });
    prop::collection::vec(rule, 1..=3).prop_map(|rules| Rules::new(rules).unwrap())
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![Just(Action::Deny), rules().prop_map(Action::Limit)]
}

fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![3 => Just(Mode::Enforce), 1 => Just(Mode::Shadow)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_denied_check_is_allowed_after_its_retry_after_and_not_before(
        hits in prop::collection::vec((0..10_i64, 1..4_u32), 0..12),
        retention in 1..60_u64,
        rules in rules(),
        mode in mode(),
        action in action(),
        left in prop::option::of(1..80_i64),
        clock in -20..20_i64,
        units in 1..6_u64,
    ) {
        let mut log = Log::new();
        let mut newest = 0;
        for (apart, units) in hits {
            newest += apart;
            let retention = Window::from_millis(retention).unwrap();
            log.record(at(newest), Cost::new(units).unwrap(), retention);
        }
        let now = newest + clock;
        let key_override = Override { action, until: left.map(|left| at(now + left)) };
        let policy = Policy { rules, mode };
        let resolved = ResolvedRules::<Rules, _>::Policy(&policy);
        let decision = resolved.peek(Some(&key_override), &log, at(now), units).decision;
        // The log of a denied check shifts back to the clock.
        log.shift(at(now));
        let mut first = None;
        // No window and no override is longer than that.
        for after in 0..200 {
            let later = at(now + after);
            if resolved.peek(Some(&key_override), &log, later, units).decision.allowed {
                first = Some(after.unsigned_abs());
                break;
            }
        }
        prop_assert_eq!(decision.retry_after, first);
        prop_assert_eq!(decision.allowed, first == Some(0));
    }
}
