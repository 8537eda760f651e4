//! The memory bound and eviction.

use ratelog_core::limiter::Limiter;
use ratelog_core::{Cost, Rules};

use super::{at, rule};

const DAY: u64 = 86_400_000;

fn used(limiter: &Limiter, key: &str, now: i64) -> u64 {
    let rules = rule(1_000_000, DAY);
    1_000_000 - limiter.peek(key.as_bytes(), at(now), &rules, Cost::ONE).remaining
}

/// Checks a number of keys named `name` once each, a thousand per millisecond.
fn check_keys(limiter: &Limiter, name: &str, keys: i64, from: i64, rules: &Rules) {
    for key in 0..keys {
        let now = at(from + key / 1_000);
        limiter.check(format!("{name}:{key}").as_bytes(), now, rules, Cost::ONE);
        assert!(limiter.bytes() <= limiter.max_bytes(), "{key}");
    }
}

#[test]
fn a_million_keys_stay_within_the_bound_and_do_not_evict_keys_that_last_longer() {
    let limiter = Limiter::new(8 << 20);
    check_keys(&limiter, "customer", 1_000, 0, &rule(10, DAY));
    check_keys(&limiter, "attacker", 1_000_000, 0, &rule(10, 60_000));
    let len = u64::try_from(limiter.len()).unwrap();
    assert!(len > 40_000, "{len}");
    assert_eq!(limiter.evicted(), 1_001_000 - len);
    for key in 0..1_000 {
        assert_eq!(used(&limiter, &format!("customer:{key}"), 1_000), 1, "{key}");
    }
}

#[test]
fn expired_keys_are_removed_first_and_are_not_counted_as_evicted() {
    let limiter = Limiter::new(4 << 20);
    check_keys(&limiter, "yesterday", 100_000, 0, &rule(10, 60_000));
    let evicted = limiter.evicted();
    assert!(evicted > 0);
    check_keys(&limiter, "today", 5_000, 120_000, &rule(10, 60_000));
    assert_eq!(limiter.evicted(), evicted);
    for key in 0..5_000 {
        assert_eq!(used(&limiter, &format!("today:{key}"), 120_005), 1, "{key}");
    }
}

#[test]
fn idle_keys_are_removed_as_new_keys_arrive() {
    let limiter = Limiter::new(Limiter::DEFAULT_MAX_BYTES);
    check_keys(&limiter, "idle", 20_000, 0, &rule(10, 1_000));
    assert_eq!(limiter.len(), 20_000);
    check_keys(&limiter, "busy", 20_000, 10_000, &rule(10, 60_000));
    let len = limiter.len();
    assert!((20_000..22_000).contains(&len), "{len}");
    let (busy, bytes) = (Limiter::new(Limiter::DEFAULT_MAX_BYTES), limiter.bytes());
    check_keys(&busy, "busy", 20_000, 10_000, &rule(10, 60_000));
    assert!(bytes < busy.bytes() * 3 / 2, "{bytes} and {}", busy.bytes());
}

#[test]
fn a_growing_log_evicts_other_keys_and_frees_its_memory_on_reset() {
    let limiter = Limiter::new(2 << 20);
    check_keys(&limiter, "small", 10_000, 0, &rule(10, DAY));
    let empty = Limiter::new(2 << 20).bytes();
    let full = limiter.bytes();
    let day = rule(1_000_000, DAY);
    let mut units = 0;
    for hit in 0..1_000_000 {
        let decision = limiter.check(b"large", at(hit * 80), &day, Cost::ONE);
        units = 1_000_000 - decision.remaining;
        assert!(limiter.bytes() <= limiter.max_bytes(), "{hit}");
    }
    assert_eq!(units, 1_000_000, "the log that lasts longest was evicted");
    assert!(limiter.bytes() > full);
    assert!(limiter.evicted() > 0);
    assert_eq!(limiter.reset(b"large", at(80_000_000)), 1_000_000);
    assert!(limiter.bytes() < full, "{}", limiter.bytes());
    limiter.clear();
    assert_eq!((limiter.bytes(), limiter.len()), (empty, 0));
}

#[test]
fn a_log_that_outgrows_the_bound_is_evicted() {
    let limiter = Limiter::new(Limiter::MIN_BYTES);
    let day = rule(1_000_000, DAY);
    for hit in 0..100_000 {
        limiter.check(b"large", at(hit * 800), &day, Cost::ONE);
        assert!(limiter.bytes() <= limiter.max_bytes(), "{hit}");
    }
    assert!(limiter.evicted() > 0);
}

#[test]
fn the_length_of_a_key_counts_and_a_long_key_evicts_from_all_shards() {
    let limiter = Limiter::new(4 << 20);
    for key in 0..200 {
        let key = format!("{key}{}", "x".repeat(1_000_000));
        limiter.check(key.as_bytes(), at(0), &rule(10, 60_000), Cost::ONE);
        assert!(limiter.bytes() <= limiter.max_bytes(), "{}", limiter.bytes());
        assert!(limiter.bytes() > 1_000_000);
    }
    assert!((2..=4).contains(&limiter.len()), "{}", limiter.len());
}

#[test]
fn a_key_without_units_takes_no_memory() {
    let limiter = Limiter::new(1 << 20);
    let bytes = limiter.bytes();
    let one = rule(1, 60_000);
    assert!(!limiter.check(b"key", at(0), &one, Cost::new(2).unwrap()).allowed);
    assert!(!limiter.mcheck(&[("key", &one), ("key", &one)], at(0), Cost::ONE)[1].allowed);
    assert!(limiter.peek(b"key", at(0), &one, Cost::ONE).allowed);
    assert_eq!((limiter.refund(b"key", at(0), 1), limiter.reset(b"key", at(0))), (0, 0));
    assert_eq!((limiter.len(), limiter.bytes()), (0, bytes));

    assert!(limiter.check(b"key", at(0), &one, Cost::ONE).allowed);
    assert_eq!((limiter.refund(b"key", at(0), 5), limiter.len()), (1, 0));
    assert!(limiter.mcheck(&[("key", &one)], at(0), Cost::ONE)[0].allowed);
    assert_eq!(limiter.len(), 1);
    assert_eq!((limiter.refund(b"key", at(60_000), 5), limiter.len()), (0, 0));
}

#[test]
fn keys_ahead_of_the_clock_do_not_displace_current_keys() {
    let limiter = Limiter::new(2 << 20);
    let window = 60_000;
    check_keys(&limiter, "ahead", 5_000, 1_000_000_000, &rule(10, window));
    check_keys(&limiter, "today", 500, 0, &rule(10, 2 * window));
    check_keys(&limiter, "more", 100_000, 0, &rule(10, window));
    for key in 0..500 {
        assert_eq!(used(&limiter, &format!("today:{key}"), 100), 1, "{key}");
    }
}

#[test]
fn the_bound_has_a_minimum_and_debug_shows_it() {
    let limiter = Limiter::new(0);
    assert_eq!(limiter.max_bytes(), Limiter::MIN_BYTES);
    let shown = format!("{limiter:?}");
    assert!(shown.ends_with("max_bytes: 65536, evicted: 0, .. }"), "{shown}");
}
