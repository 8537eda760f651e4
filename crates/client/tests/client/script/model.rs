//! The script against the core's log: for any history, both make the same decisions and hold the same units.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use ratelog_client::script;
use ratelog_client::{Check, Checks, Cost, Decision, Limit, Rule, Rules, Window};
use ratelog_core::{Instant, Log, ResolvedRules};
use ratelog_test_support::Server;

use super::fake_clock::{FakeClock, START};
use super::log::{hits, name};
use super::server;

const KEYS: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Debug)]
enum Event {
    /// The clock advances by this much, or steps back if it is negative.
    Clock(i64),
    Check(usize, Rules, Cost),
    Peek(usize, Rules, Cost),
    MultiCheck(Vec<(usize, Rule)>, Cost),
    /// Consecutive checks, this many milliseconds apart.
    Burst(usize, u16, i64, Rule),
    Refund(usize, Cost),
    Reset(usize),
}

fn limit() -> impl Strategy<Value = Limit> {
    prop_oneof![
        1 => Just(0),
        4 => 1..5_u32,
        4 => 1..100_u32,
        4 => Just(1_000_000),
        4 => Just(u32::MAX),
    ]
    .prop_map(Limit::new)
}

/// A window of at most `longest` milliseconds.
fn window(longest: u64) -> impl Strategy<Value = Window> {
    prop_oneof![1..20_u64, 1..=longest, Just(longest)]
        .prop_map(|millis| Window::from_millis(millis).unwrap())
}

fn rule(longest: u64) -> impl Strategy<Value = Rule> {
    (limit(), window(longest)).prop_map(|(limit, window)| Rule::new(limit, window))
}

fn rules(longest: u64) -> impl Strategy<Value = Rules> {
    prop::collection::vec(rule(longest), 1..=4).prop_map(|rules| Rules::new(rules).unwrap())
}

fn cost() -> impl Strategy<Value = Cost> {
    prop_oneof![8 => Just(1), 3 => 1..10_u32, 1 => Just(1_000_000), 1 => 1..u32::MAX]
        .prop_map(|units| Cost::new(units).unwrap())
}

fn clock() -> impl Strategy<Value = i64> {
    let year = Window::DEFAULT_MAX.millis().cast_signed();
    prop_oneof![
        4 => 0..3_i64,
        4 => 0..1_000_i64,
        4 => 0..100_000_i64,
        4 => -3_000..0_i64,
        1 => -year..2 * year,
    ]
}

fn event(longest: u64) -> impl Strategy<Value = Event> {
    let key = || 0..KEYS.len();
    prop_oneof![
        8 => clock().prop_map(Event::Clock),
        12 => (key(), rules(longest), cost()).prop_map(|(key, rules, cost)| Event::Check(key, rules, cost)),
        6 => (key(), rules(longest), cost()).prop_map(|(key, rules, cost)| Event::Peek(key, rules, cost)),
        4 => (prop::collection::vec((key(), rule(longest)), 1..6), cost())
            .prop_map(|(checks, cost)| Event::MultiCheck(checks, cost)),
        2 => (key(), 1..200_u16, 0..40_i64, rule(longest))
            .prop_map(|(key, checks, apart, rule)| Event::Burst(key, checks, apart, rule)),
        3 => (key(), cost()).prop_map(|(key, cost)| Event::Refund(key, cost)),
        1 => key().prop_map(Event::Reset),
    ]
}

struct Both {
    script: FakeClock,
    logs: [Log; 3],
    now: i64,
}

impl Both {
    fn on(server: &Server, now: i64) -> Self {
        let mut script = FakeClock::on(server);
        script.db.run::<()>("FLUSHALL");
        Self { script, logs: Default::default(), now }
    }

    fn now(&self) -> Instant {
        Instant::from_unix_millis(self.now).unwrap()
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Clock(by) => self.now = (self.now + by).max(0),
            Event::Check(key, rules, cost) => self.check(*key, rules, *cost),
            Event::Peek(key, rules, cost) => {
                self.expire(*key);
                let peek = script::peek(KEYS[*key], Check::from(rules).cost(*cost)).unwrap();
                let expected = ratelog_core::peek(&self.logs[*key], self.now(), rules, *cost);
                assert_eq!(*self.script.run(self.now, &peek).as_core(), expected);
            }
            Event::MultiCheck(checks, cost) => self.multi_check(checks, *cost),
            Event::Burst(key, checks, apart, rule) => {
                for _ in 0..*checks {
                    self.now += apart;
                    self.check(*key, &Rules::one(*rule), Cost::ONE);
                }
            }
            Event::Refund(key, cost) => {
                self.expire(*key);
                let expected = self.logs[*key].refund(self.now(), cost.units());
                let refund = script::refund(KEYS[*key], *cost);
                assert_eq!(self.script.run(self.now, &refund), expected);
                let expired = self.compare(*key);
                assert_eq!(expired, 0, "they would count again after a clock step");
            }
            Event::Reset(key) => {
                self.expire(*key);
                let expected = self.logs[*key].at(self.now()).units();
                self.logs[*key].clear();
                let reset = script::reset(KEYS[*key]);
                assert_eq!(self.script.run(self.now, &reset), expected);
                self.compare(*key);
            }
        }
    }

    fn check(&mut self, key: usize, rules: &Rules, cost: Cost) {
        self.expire(key);
        let now = self.now();
        let expected = ratelog_core::check(&mut self.logs[key], now, rules, cost);
        let check = script::check(KEYS[key], Check::from(rules).cost(cost)).unwrap();
        assert_eq!(*self.script.run(self.now, &check).as_core(), expected);
        self.compare(key);
    }

    fn multi_check(&mut self, checks: &[(usize, Rule)], cost: Cost) {
        let [(first, rule), rest @ ..] = checks else { unreachable!("there is a check") };
        let multi_check =
            rest.iter().fold(Checks::new(cost, KEYS[*first], *rule), |all, (key, rule)| {
                all.and(KEYS[*key], *rule)
            });
        (0..KEYS.len()).for_each(|key| self.expire(key));
        let now = self.now();
        let expected = decide_all(&mut self.logs, now, checks, cost);
        let decisions = self.script.run(self.now, &script::mcheck(&multi_check).unwrap());
        let decisions: Vec<_> = decisions.iter().map(Decision::as_core).copied().collect();
        assert_eq!(decisions, expected);
        for (key, _) in checks {
            self.compare(*key);
        }
    }

    /// Deletes a key that has expired by the test's clock, as the server does by its own clock. It must have no units
    /// that count.
    fn expire(&mut self, key: usize) {
        let expires_at = self.script.expires_at(KEYS[key]);
        if (0..self.now).contains(&expires_at) {
            assert_eq!(self.logs[key].at(self.now()).units(), 0, "expired at {expires_at}");
            self.logs[key].clear();
            self.script.db.run::<()>(["DEL", &name(KEYS[key])]);
        }
    }

    /// Asserts that the set holds the log's units, after any expired ones, and expires when they do or a little later.
    /// Returns the number of expired hits.
    fn compare(&mut self, key: usize) -> usize {
        let log = &self.logs[key];
        let hits = hits(&mut self.script.db, KEYS[key]);
        assert_eq!(hits.is_empty(), log.is_empty(), "{hits:?}");
        let view = log.at(self.now());
        let unexpired: Vec<_> = view
            .hits(.., usize::MAX)
            .iter()
            .rev()
            .map(|hit| (hit.instant.unix_millis(), hit.units))
            .collect();
        assert!(hits.ends_with(&unexpired), "{hits:?} does not end with {unexpired:?}");

        let expires_at = self.script.expires_at(KEYS[key]);
        let late = (log.retention().cast_signed() / 16).min(5_000);
        let expected = log.expires_at().map_or(-2..=-2, |at| at..=at + late);
        assert!(expected.contains(&expires_at), "{expires_at} is not in {expected:?}");
        hits.len() - unexpired.len()
    }
}

/// The module's decisions on several keys, one log each.
fn decide_all(
    logs: &mut [Log; 3],
    now: Instant,
    checks: &[(usize, Rule)],
    cost: Cost,
) -> Vec<ratelog_core::Decision> {
    let mut pending = [0; 3];
    let mut evaluations = Vec::new();
    for (key, rule) in checks {
        let rules = Rules::one(*rule);
        let units = pending[*key] + cost.units();
        let evaluation = ResolvedRules::from(&rules).peek(None, &logs[*key], now, units);
        if evaluation.decision.allowed {
            pending[*key] = evaluation.units;
        }
        evaluations.push(evaluation);
    }
    let all_allowed = evaluations.iter().all(|evaluation| evaluation.decision.allowed);
    for (key, rule) in checks {
        if all_allowed {
            logs[*key].record(now, cost, rule.window());
        } else {
            logs[*key].shift(now);
        }
    }
    let reply = |evaluation: &ratelog_core::Evaluation| {
        if all_allowed { evaluation.recorded_decision() } else { evaluation.decision }
    };
    evaluations.iter().map(reply).collect()
}

/// The start of the clock, and the events.
fn history() -> impl Strategy<Value = (i64, Vec<Event>)> {
    let start = prop_oneof![3 => Just(START), 1 => 0..200_000_i64];
    // One long window makes the log hold everything, so most histories have none.
    let longest = prop_oneof![
        Just(500),
        Just(5_000),
        Just(100_000),
        Just(100_000_000),
        Just(Window::DEFAULT_MAX.millis()),
    ];
    (start, longest.prop_flat_map(|longest| prop::collection::vec(event(longest), 1..60)))
}

#[test]
fn the_script_matches_the_core() {
    let server = server();
    let config = Config { cases: 150, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&history(), |(start, events)| {
        let mut both = Both::on(&server, start);
        for event in &events {
            both.apply(event);
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
