//! Runs the shared decision table against the core.
#![allow(missing_docs, clippy::unwrap_used, reason = "a failing test should say where")]

use ratelog_core::{Cost, Decision, Instant, Limit, Log, Rule, Rules, Window, check, peek, wire};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(rename = "about")]
    _about: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    events: Vec<Event>,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Event {
    Check { at: i64, check: Vec<(u32, u64)>, cost: Option<u32>, decision: [i64; 6] },
    Peek { at: i64, peek: Vec<(u32, u64)>, cost: Option<u32>, decision: [i64; 6] },
    Refund { at: i64, refund: u64, units: u64 },
}

fn rules(pairs: &[(u32, u64)]) -> Rules {
    Rules::new(pairs.iter().map(|(limit, window)| {
        Rule::new(Limit::new(*limit), Window::from_millis(*window).unwrap())
    }))
    .unwrap()
}

fn cost(units: Option<u32>) -> Cost {
    Cost::new(units.unwrap_or(1)).unwrap()
}

/// An implementation of the checks of one key.
trait Subject {
    fn check(&mut self, now: Instant, rules: &Rules, cost: Cost) -> Decision;
    fn peek(&self, now: Instant, rules: &Rules, cost: Cost) -> Decision;
    fn refund(&mut self, now: Instant, units: u64) -> u64;
}

impl Subject for Log {
    fn check(&mut self, now: Instant, rules: &Rules, cost: Cost) -> Decision {
        check(self, now, rules, cost)
    }

    fn peek(&self, now: Instant, rules: &Rules, cost: Cost) -> Decision {
        peek(self, now, rules, cost)
    }

    fn refund(&mut self, now: Instant, units: u64) -> u64 {
        Self::refund(self, now, units)
    }
}

/// Runs every case on the implementation that `subject` creates for it.
fn run_cases<S: Subject>(subject: impl Fn(&str) -> S) {
    const START: i64 = 1_700_000_000_000;
    let table: Table = serde_json::from_str(include_str!("../../../tests/cases.json")).unwrap();
    assert!(!table.cases.is_empty());
    for case in table.cases {
        let mut subject = subject(&case.name);
        for (index, event) in case.events.iter().enumerate() {
            let place = format!("{}, event {index}", case.name);
            let now = |at: i64| Instant::from_unix_millis(START + at).unwrap();
            let assert_decision = |decision: Decision, expected: [i64; 6]| {
                assert_eq!(wire::encode(&decision), expected, "{place}");
            };
            match event {
                Event::Check { at, check: pairs, cost: units, decision } => {
                    assert_decision(
                        subject.check(now(*at), &rules(pairs), cost(*units)),
                        *decision,
                    );
                }
                Event::Peek { at, peek: pairs, cost: units, decision } => {
                    assert_decision(subject.peek(now(*at), &rules(pairs), cost(*units)), *decision);
                }
                Event::Refund { at, refund, units } => {
                    assert_eq!(subject.refund(now(*at), *refund), *units, "{place}");
                }
            }
        }
    }
}

#[test]
fn every_case_has_the_expected_decisions() {
    run_cases(|_| Log::new());
}

#[cfg(feature = "limiter")]
mod limiter {
    use super::{Subject, run_cases};
    use ratelog_core::limiter::Limiter;
    use ratelog_core::{Cost, Decision, Instant, Rules};

    /// One key of a limiter.
    struct Key<'a>(&'a Limiter, Vec<u8>);

    impl Subject for Key<'_> {
        fn check(&mut self, now: Instant, rules: &Rules, cost: Cost) -> Decision {
            self.0.check(&self.1, now, rules, cost)
        }

        fn peek(&self, now: Instant, rules: &Rules, cost: Cost) -> Decision {
            self.0.peek(&self.1, now, rules, cost)
        }

        fn refund(&mut self, now: Instant, units: u64) -> u64 {
            self.0.refund(&self.1, now, units)
        }
    }

    #[test]
    fn every_case_has_the_expected_decisions_in_a_limiter() {
        let limiter = Limiter::new(Limiter::DEFAULT_MAX_BYTES);
        run_cases(|name| Key(&limiter, name.into()));
    }
}
