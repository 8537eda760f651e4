//! Compares the log with the simplest correct model: a list of instants.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::large_enum_variant,
    reason = "a failing test should say where, and a test has few events"
)]

mod naive;

use std::ops::Bound;

use naive::Naive;
use proptest::prelude::*;
use ratelog_core::{
    Cost, Instant, Limit, Log, ResolvedRules, Rule, Rules, Window, check, decide, peek,
};

#[derive(Clone, Debug)]
enum Event {
    /// The clock moves by this number of milliseconds, back if it is negative.
    Clock(i64),
    Check(Rules, Cost),
    /// Many checks in a row with this number of milliseconds between them.
    Burst(u16, i64, Rule),
    Refund(u32),
    Reload,
}

fn limit() -> impl Strategy<Value = u32> {
    prop_oneof![1 => Just(0), 4 => 1..5_u32, 4 => 1..100_u32, 4 => Just(1_000_000)]
}

fn millis() -> impl Strategy<Value = u64> {
    prop_oneof![1..20_u64, 1..2_000_u64, 1..100_000_u64, Just(Window::DEFAULT_MAX.millis())]
}

fn rule() -> impl Strategy<Value = Rule> {
    (limit(), millis()).prop_map(|(limit, millis)| {
        Rule::new(Limit::new(limit), Window::from_millis(millis).unwrap())
    })
}

fn rules() -> impl Strategy<Value = Rules> {
    prop_oneof![
        4 => rule().prop_map(Rules::one),
        1 => prop::collection::vec(rule(), 2..=16).prop_map(|rules| Rules::new(rules).unwrap()),
    ]
}

fn cost() -> impl Strategy<Value = Cost> {
    prop_oneof![8 => Just(1), 2 => 1..10_u32, 1 => 1..2_000_000_u32]
        .prop_map(|units| Cost::new(units).unwrap())
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => prop_oneof![0..3_i64, 0..1_000_i64, 0..100_000_i64, -3_000..0_i64].prop_map(Event::Clock),
        12 => (rules(), cost()).prop_map(|(rules, cost)| Event::Check(rules, cost)),
        2 => (1..2_000_u16, prop_oneof![0..3_i64, 0..200_i64], rule())
            .prop_map(|(checks, apart, rule)| Event::Burst(checks, apart, rule)),
        1 => prop_oneof![1..5_u32, 1..3_000_u32].prop_map(Event::Refund),
        1 => Just(Event::Reload),
    ]
}

struct Both {
    log: Log,
    naive: Naive,
    now: i64,
}

impl Both {
    fn new() -> Self {
        Self { log: Log::new(), naive: Naive::default(), now: 1_700_000_000_000 }
    }

    fn now(&self) -> Instant {
        Instant::from_unix_millis(self.now).unwrap()
    }

    fn check(&mut self, rules: &Rules, cost: Cost) {
        let now = self.now();
        let before = self.log.to_snapshot();
        assert_eq!(peek(&self.log, now, rules, cost), self.naive.peek(self.now, rules, cost));
        self.explain(rules, cost);
        let decided = decide(&mut self.log, now, rules, cost);
        assert_eq!(self.log.to_snapshot(), before, "deciding changed the value");
        let expected = self.naive.check(self.now, rules, cost);
        assert_eq!(decided, expected);
        assert_eq!(check(&mut self.log, now, rules, cost), expected);
    }

    /// Compares an explanation with peeks of the model, one under each rule alone.
    fn explain(&self, rules: &Rules, cost: Cost) {
        let peek = |rules: &Rules| self.naive.peek(self.now, rules, cost);
        let explained =
            ResolvedRules::from(rules).explain(None, &self.log, self.now(), cost.units());
        let decision = explained.evaluation.decision;
        assert_eq!(decision, peek(rules));
        let by_rule: Vec<_> = rules.iter().map(|rule| peek(&Rules::one(rule))).collect();
        assert_eq!(explained.by_rule, by_rule);
        // Equal rules have equal decisions, and the first of them binds.
        assert_eq!(explained.binding, by_rule.iter().position(|one| *one == decision));
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Clock(by) => self.now += by,
            Event::Check(rules, cost) => self.check(rules, *cost),
            Event::Burst(checks, apart, rule) => {
                let rules = Rules::one(*rule);
                for _ in 0..*checks {
                    self.now += apart;
                    let now = self.now();
                    let expected = self.naive.check(self.now, &rules, Cost::ONE);
                    assert_eq!(check(&mut self.log, now, &rules, Cost::ONE), expected);
                }
            }
            Event::Refund(units) => {
                let expected = self.naive.refund(self.now, u64::from(*units));
                assert_eq!(self.log.refund(self.now(), u64::from(*units)), expected);
            }
            Event::Reload => self.log = Log::from_snapshot(&self.log.to_snapshot()).unwrap(),
        }
        self.compare();
    }

    fn compare(&self) {
        let view = self.log.at(self.now());
        let hits = self.naive.newest_first(self.now);
        assert_eq!(view.units(), hits.iter().map(|(_, units)| units).sum::<u64>());
        assert_eq!(view.newest().map(Instant::unix_millis), hits.first().map(|hit| hit.0));
        assert_eq!(view.oldest().map(Instant::unix_millis), hits.last().map(|hit| hit.0));
        for count in [0, 1, 3, 700, usize::MAX] {
            let newest = view.hits(.., count);
            let newest = newest.iter().map(|hit| (hit.instant.unix_millis(), hit.units));
            assert!(newest.eq(hits.iter().copied().take(count)), "the newest {count}");
        }
        self.compare_ranges(&hits);
        assert_eq!(self.log.is_empty(), self.naive.is_empty());
        assert_eq!(self.log.expires_at(), self.naive.expires_at());
    }

    /// Compares ranges that begin and end at hits, and beside them.
    fn compare_ranges(&self, hits: &[(i64, u64)]) {
        let view = self.log.at(self.now());
        let at = |place: usize| hits.get(place * hits.len() / 4).map(|hit| hit.0);
        for (from, to) in [(3, 0), (3, 1), (2, 1), (1, 1), (0, 3)] {
            let (Some(from), Some(to)) = (at(from), at(to)) else { continue };
            for (from, to, count) in [(from, to, 3), (from - 1, to, 700), (from, to + 1, 9)] {
                let instant = Instant::from_clock;
                let between = (Bound::Excluded(instant(from)), Bound::Excluded(instant(to)));
                for (range, low, high) in [
                    (between, from + 1, to - 1),
                    ((between.0, Bound::Included(instant(to))), from + 1, to),
                    ((Bound::Included(instant(from)), between.1), from, to - 1),
                    ((Bound::Unbounded, between.1), i64::MIN, to - 1),
                    ((between.0, Bound::Unbounded), from + 1, i64::MAX),
                ] {
                    let found = view.hits(range, count);
                    let found = found.iter().map(|hit| (hit.instant.unix_millis(), hit.units));
                    let expected = hits.iter().copied().filter(|hit| (low..=high).contains(&hit.0));
                    assert!(found.eq(expected.take(count)), "{range:?}, {count}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn the_log_equals_a_list_of_instants(events in prop::collection::vec(event(), 1..40)) {
        let mut both = Both::new();
        for event in &events {
            both.apply(event);
        }
    }

    #[test]
    fn the_same_effects_give_the_same_bytes(
        events in prop::collection::vec(event(), 1..40),
        reload_at in 0..40_usize,
    ) {
        let mut both = Both::new();
        let mut replica = Log::new();
        for (index, event) in events.iter().enumerate() {
            if index == reload_at {
                replica = Log::from_snapshot(&replica.to_snapshot()).unwrap();
            }
            match event {
                Event::Clock(by) => both.now += by,
                Event::Check(rules, cost) => {
                    let now = both.now();
                    if decide(&mut both.log, now, rules, *cost).allowed {
                        both.log.record(now, *cost, rules.longest_window());
                        replica.record(now, *cost, rules.longest_window());
                    } else if both.log.shift(now) {
                        replica.shift(now);
                    }
                }
                Event::Burst(checks, apart, rule) => {
                    for _ in 0..*checks {
                        both.now += apart;
                        both.log.record(both.now(), Cost::ONE, rule.window());
                        replica.record(both.now(), Cost::ONE, rule.window());
                    }
                }
                Event::Refund(units) => {
                    both.log.refund(both.now(), u64::from(*units));
                    replica.refund(both.now(), u64::from(*units));
                }
                Event::Reload => {}
            }
            prop_assert_eq!(both.log.to_snapshot(), replica.to_snapshot());
        }
    }

    #[test]
    fn no_bytes_break_the_decoder(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(log) = Log::from_snapshot(&bytes) {
            prop_assert_eq!(log.to_snapshot(), bytes);
        }
    }

    #[test]
    fn no_damage_to_a_snapshot_breaks_the_decoder(
        events in prop::collection::vec(event(), 1..20),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut both = Both::new();
        for event in &events {
            both.apply(event);
        }
        let mut bytes = both.log.to_snapshot();
        prop_assume!(!bytes.is_empty());
        for (at, value) in damage {
            *at.get_mut(&mut bytes) ^= value;
        }
        let cut = cut.index(bytes.len() + 1);
        for bytes in [&bytes[..], bytes.get(..cut).unwrap()] {
            if let Ok(mut log) = Log::from_snapshot(bytes) {
                prop_assert_eq!(log.to_snapshot(), bytes);
                // A log that loads must work.
                let rule = Rule::new(Limit::new(9), Window::from_millis(999).unwrap());
                check(&mut log, both.now(), &Rules::one(rule), Cost::ONE);
                log.refund(both.now(), 3);
                assert!(log.at(both.now()).hits(.., 10).len() <= 10);
            }
        }
    }
}
