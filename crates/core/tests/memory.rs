//! The limiter's reported memory, compared with the allocator's statistics.
#![allow(missing_docs, clippy::unwrap_used, reason = "a failing test should say where")]

use std::alloc::System;

use ratelog_core::limiter::Limiter;
use ratelog_core::{Cost, Instant, Limit, Rule, Rules, Window};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn at(millis: i64) -> Instant {
    Instant::from_unix_millis(1_700_000_000_000 + millis).unwrap()
}

fn hour(limit: u32) -> Rules {
    let window = Window::from_millis(3_600_000).unwrap();
    Rules::one(Rule::new(Limit::new(limit), window))
}

/// Asserts that the limiter reports the bytes allocated since `region` started, and not many more.
fn assert_reported(limiter: &Limiter, region: &Region<'_, System>, place: &str) {
    let change = region.change();
    let allocated = change.bytes_allocated - change.bytes_deallocated;
    let reported = limiter.bytes();
    let range = allocated..=allocated + allocated / 8 + 4_096;
    assert!(range.contains(&reported), "{place}: {allocated} bytes, reported as {reported}");
}

/// Runs without the usual test runner, whose threads allocate as well.
fn main() {
    reported_memory_matches_the_allocator();
    a_check_of_a_known_key_allocates_nothing();
}

fn reported_memory_matches_the_allocator() {
    let rules = hour(1_000_000);
    // The seeds of a process are allocated once.
    drop(Limiter::new(0));
    let region = Region::new(ALLOCATOR);
    let limiter = Limiter::new(16 << 20);
    assert_reported(&limiter, &region, "empty");
    let check = |key: &str, now| {
        limiter.check(key.as_bytes(), at(now), &rules, Cost::ONE);
    };
    for key in 0..20_000 {
        check(&format!("short:{key}"), 0);
    }
    assert_reported(&limiter, &region, "short keys");
    for key in 0..2_000 {
        check(&format!("long:{key}:{}", "x".repeat(200)), 0);
    }
    assert_reported(&limiter, &region, "long keys");
    for hit in 0..300_000 {
        check(&format!("short:{}", hit % 7), hit * 10);
    }
    assert_reported(&limiter, &region, "large logs");
    for key in 0..150_000 {
        check(&format!("new:{key}"), 3_000_000);
    }
    assert_reported(&limiter, &region, "keys evicted");
    for key in 0..100_000 {
        limiter.reset(format!("new:{key}").as_bytes(), at(3_000_000));
    }
    assert_reported(&limiter, &region, "keys reset");
    for key in 0..5_000 {
        check(&format!("late:{key}"), 9_000_000);
        limiter.refund(format!("new:{}", 100_000 + key).as_bytes(), at(9_000_000), 1);
    }
    assert_reported(&limiter, &region, "keys refunded");
    limiter.clear();
    assert_reported(&limiter, &region, "cleared");
}

fn a_check_of_a_known_key_allocates_nothing() {
    let rules = hour(5);
    let limiter = Limiter::new(16 << 20);
    let keys: Vec<String> = (0..1_000).map(|key| format!("key:{key}")).collect();
    let check_all = |now| {
        for key in &keys {
            limiter.check(key.as_bytes(), at(now), &rules, Cost::ONE);
        }
    };
    check_all(0);
    let region = Region::new(ALLOCATOR);
    for round in 1..10 {
        check_all(round * 1_000);
    }
    let change = region.change();
    assert_eq!((change.allocations, change.reallocations), (0, 0));
}
