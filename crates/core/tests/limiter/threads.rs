//! Many threads with one limiter.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::thread;

use ratelog_core::limiter::Limiter;
use ratelog_core::{Cost, Decision};

use super::{at, rule};

#[test]
fn threads_at_one_key_are_allowed_exactly_the_limit() {
    let limiter = Limiter::new(Limiter::DEFAULT_MAX_BYTES);
    let (clock, allowed) = (AtomicI64::new(0), AtomicU64::new(0));
    let rules = rule(5_000, 60_000);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..10_000 {
                    // A thread may pass its instant after another thread has passed a later one.
                    let now = at(clock.fetch_add(1, Relaxed) / 2);
                    allowed.fetch_add(
                        limiter.check(b"key", now, &rules, Cost::ONE).allowed.into(),
                        Relaxed,
                    );
                }
            });
        }
    });
    assert_eq!(allowed.into_inner(), 5_000);
}

#[test]
fn instants_out_of_order_do_not_make_units_older() {
    let limiter = Limiter::new(Limiter::DEFAULT_MAX_BYTES);
    let rules = rule(1, 1_000);
    let check = |millis| limiter.check(b"key", at(millis), &rules, Cost::ONE);
    let retry_after = |decision: Decision| decision.retry_after;
    assert!(check(1_000).allowed);
    for late in [999, 500, 0] {
        assert_eq!(retry_after(check(late)), Some(1_000));
    }
    assert_eq!(retry_after(check(1_999)), Some(1));
    assert!(check(2_000).allowed);
    // An instant further behind means that the clock was set back, and the unit shifts with it.
    assert_eq!(retry_after(check(999)), Some(1_000));
    assert_eq!(retry_after(check(1_998)), Some(1));
    assert!(check(1_999).allowed);
}

#[test]
fn checks_of_several_keys_in_any_order_neither_deadlock_nor_record_in_part() {
    let limiter = Limiter::new(Limiter::DEFAULT_MAX_BYTES);
    let keys: Vec<String> = (0..40).map(|key| format!("key:{key}")).collect();
    let (wide, narrow) = (rule(1_000_000, 60_000), rule(3_000, 60_000));
    let allowed = AtomicU64::new(0);
    thread::scope(|scope| {
        for rotate in 0..8 {
            let (limiter, allowed, wide, narrow) = (&limiter, &allowed, &wide, &narrow);
            let mut checks: Vec<_> = keys.iter().map(|key| (key, wide)).collect();
            checks[7].1 = narrow;
            checks.rotate_left(rotate * 5);
            if rotate % 2 == 1 {
                checks.reverse();
            }
            scope.spawn(move || {
                for _ in 0..1_000 {
                    let decisions = limiter.mcheck(&checks, at(0), Cost::ONE);
                    let all = decisions.iter().all(|decision| decision.allowed);
                    allowed.fetch_add(all.into(), Relaxed);
                }
            });
        }
    });
    assert_eq!(allowed.into_inner(), 3_000);
    for key in &keys {
        let left = limiter.peek(key.as_bytes(), at(0), &wide, Cost::ONE).remaining;
        assert_eq!(left, 1_000_000 - 3_000, "{key}");
    }
}

#[test]
fn all_threads_together_stay_within_the_bound() {
    let limiter = Limiter::new(1 << 20);
    let rules = rule(10, 60_000);
    thread::scope(|scope| {
        for thread in 0..4 {
            let (limiter, rules) = (&limiter, &rules);
            scope.spawn(move || {
                for key in 0..50_000 {
                    limiter.check(format!("{thread}:{key}").as_bytes(), at(0), rules, Cost::ONE);
                    assert!(limiter.bytes() < limiter.max_bytes() + (64 << 10));
                }
            });
        }
    });
    assert!(limiter.bytes() <= limiter.max_bytes());
    assert_eq!(limiter.evicted() + limiter.len() as u64, 200_000);
}
