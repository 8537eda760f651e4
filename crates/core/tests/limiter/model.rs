//! Compares the limiter with a map of lists of instants.

use std::collections::HashMap;

use proptest::prelude::*;
use ratelog_core::limiter::Limiter;
use ratelog_core::{Cost, Decision, Instant, Limit, Rule, Rules, Window};

use super::naive::Naive;

#[derive(Clone, Debug)]
enum Event {
    /// The clock moves by this number of milliseconds, back if it is negative.
    Clock(i64),
    Check(u8, Rules, Cost),
    MCheck(Vec<(u8, Rules)>, Cost),
    Refund(u8, u64),
    Reset(u8),
    Clear,
}

fn rules() -> impl Strategy<Value = Rules> {
    let limit = prop_oneof![1 => Just(0), 4 => 1..5_u32, 4 => 1..50_u32].prop_map(Limit::new);
    let window = prop_oneof![1..2_000_u64, 1..100_000_u64]
        .prop_map(|millis| Window::from_millis(millis).unwrap());
    let rule = (limit, window).prop_map(|(limit, window)| Rule::new(limit, window));
    prop::collection::vec(rule, 1..4).prop_map(|rules| Rules::new(rules).unwrap())
}

fn cost() -> impl Strategy<Value = Cost> {
    prop_oneof![4 => Just(1), 1 => 1..9_u32].prop_map(|units| Cost::new(units).unwrap())
}

fn event() -> impl Strategy<Value = Event> {
    const KEYS: std::ops::Range<u8> = 0..6;
    let forward = prop_oneof![0..3_i64, 0..1_000_i64, 0..50_000_i64];
    let back = prop_oneof![-5..0_i64, -1_500..-500_i64, -90_000..0_i64];
    prop_oneof![
        6 => forward.prop_map(Event::Clock),
        1 => back.prop_map(Event::Clock),
        12 => (KEYS, rules(), cost()).prop_map(|(key, rules, cost)| Event::Check(key, rules, cost)),
        3 => (prop::collection::vec((KEYS, rules()), 0..5), cost())
            .prop_map(|(checks, cost)| Event::MCheck(checks, cost)),
        1 => (KEYS, 0..9_u64).prop_map(|(key, units)| Event::Refund(key, units)),
        1 => KEYS.prop_map(Event::Reset),
        1 => Just(Event::Clear),
    ]
}

struct Both {
    limiter: Limiter,
    naive: HashMap<u8, Naive>,
    now: i64,
}

impl Both {
    fn now(&self) -> Instant {
        Instant::from_unix_millis(self.now).unwrap()
    }

    /// Returns the model of a key, and the clock as the key sees it. Up to a second behind counts as not behind.
    fn model(&mut self, key: u8) -> (&mut Naive, i64) {
        let naive = self.naive.entry(key).or_default();
        let newest = naive.newest().filter(|newest| (0..=1_000).contains(&(newest - self.now)));
        (naive, newest.unwrap_or(self.now))
    }

    fn apply(&mut self, event: &Event) {
        let now = self.now();
        match event {
            Event::Clock(by) => self.tick(*by),
            Event::Check(key, rules, cost) => {
                let (naive, seen) = self.model(*key);
                let peeked = naive.peek(seen, rules, *cost);
                let checked = naive.check(seen, rules, *cost);
                assert_eq!(self.limiter.peek(&[*key], now, rules, *cost), peeked);
                assert_eq!(self.limiter.check(&[*key], now, rules, *cost), checked);
            }
            Event::MCheck(checks, cost) => {
                let given: Vec<_> = checks.iter().map(|(key, rules)| ([*key], rules)).collect();
                let expected = self.mcheck(checks, *cost);
                assert_eq!(self.limiter.mcheck(&given, now, *cost), expected);
            }
            Event::Refund(key, units) => {
                let (naive, seen) = self.model(*key);
                let expected = naive.refund(seen, *units);
                assert_eq!(self.limiter.refund(&[*key], now, *units), expected);
            }
            Event::Reset(key) => {
                let (naive, seen) = self.model(*key);
                let units = naive.newest_first(seen).iter().map(|(_, units)| units).sum::<u64>();
                self.naive.remove(key);
                assert_eq!(self.limiter.reset(&[*key], now), units);
            }
            Event::Clear => {
                self.naive.clear();
                self.limiter.clear();
                assert!(self.limiter.is_empty());
            }
        }
        let non_empty = self.naive.values().filter(|naive| !naive.is_empty()).count();
        assert!(self.limiter.len() <= non_empty, "an empty log is stored");
    }

    /// Removes expired models before a step back: the limiter may have removed expired units, which the step would make
    /// count again.
    fn tick(&mut self, by: i64) {
        if by < 0 {
            let (limiter, now) = (&self.limiter, self.now());
            self.naive.retain(|key, naive| {
                let is_live = naive.expires_at().is_some_and(|at| at > now.unix_millis());
                is_live || limiter.reset(&[*key], now) != 0
            });
        }
        self.now += by;
    }

    fn mcheck(&mut self, checks: &[(u8, Rules)], cost: Cost) -> Vec<Decision> {
        let mut pending = HashMap::<u8, u32>::new();
        let mut evaluated = Vec::new();
        for (key, rules) in checks {
            let units = pending.get(key).unwrap_or(&0) + u32::try_from(cost.units()).unwrap();
            let (naive, seen) = self.model(*key);
            let decision = naive.peek(seen, rules, Cost::new(units).unwrap());
            if decision.allowed {
                pending.insert(*key, units);
            }
            evaluated.push((decision, units));
        }
        let all = evaluated.iter().all(|(decision, _)| decision.allowed);
        let answer = |((key, rules), (decision, units)): (&(u8, Rules), (Decision, u32))| {
            let (naive, seen) = self.model(*key);
            if !all {
                naive.shift(seen);
                return decision;
            }
            naive.record(seen, rules, cost);
            Decision {
                remaining: decision.remaining.saturating_sub(units.into()),
                reset_after: decision.window.millis(),
                ..decision
            }
        };
        checks.iter().zip(evaluated).map(answer).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_limiter_equals_a_map_of_instants(events in prop::collection::vec(event(), 1..80)) {
        let mut both = Both {
            limiter: Limiter::new(0),
            naive: HashMap::new(),
            now: 1_700_000_000_000,
        };
        for event in &events {
            both.apply(event);
        }
        prop_assert_eq!(both.limiter.evicted(), 0);
    }
}
