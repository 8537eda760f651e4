//! The cost of a decision without a server.
#![expect(clippy::expect_used, reason = "the inputs are written here")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion};
use ratelog_core::{Cost, Instant, Limit, Log, Rule, Rules, Window, check, peek};

const START: i64 = 1_700_000_000_000;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const MILLION: u32 = 1_000_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    checks(&mut criterion);
    full_logs(&mut criterion);
    expired(&mut criterion);
    refunds(&mut criterion);
    snapshots(&mut criterion);
    criterion.final_summary();
}

fn checks(criterion: &mut Criterion) {
    let minute = rules(&[(100, MINUTE)]);
    criterion.bench_function("check/allowed", |bencher| {
        let (mut log, mut now) = (Log::new(), START);
        bencher.iter(|| {
            now += 601;
            check(&mut log, at(now), black_box(&minute), Cost::ONE)
        });
    });
    criterion.bench_function("check/allowed, cost 10", |bencher| {
        let (mut log, mut now) = (Log::new(), START);
        let ten = Cost::new(10).expect("a cost");
        bencher.iter(|| {
            now += 6_010;
            check(&mut log, at(now), black_box(&minute), ten)
        });
    });
    criterion.bench_function("check/denied", |bencher| {
        let (mut log, now) = (spread(100, 500, HOUR), START + 50_000);
        bencher.iter(|| check(&mut log, at(now), black_box(&minute), Cost::ONE));
    });
    criterion.bench_function("check/three windows, allowed", |bencher| {
        let three = rules(&[(10, 1_000), (100, MINUTE), (1_000, HOUR)]);
        let (mut log, mut now) = (Log::new(), START);
        bencher.iter(|| {
            now += 3_601;
            check(&mut log, at(now), black_box(&three), Cost::ONE)
        });
    });
}

/// Measures logs of ten units and of a million, where one unit expires each millisecond.
fn full_logs(criterion: &mut Criterion) {
    for units in [10, MILLION] {
        let span = i64::from(units);
        let rules = rules(&[(units, span)]);
        criterion.bench_function(&format!("full log of {units}/sliding"), |bencher| {
            let (mut log, mut now) = (spread(units, 1, span), START + span);
            bencher.iter(|| {
                now += 1;
                check(&mut log, at(now), black_box(&rules), Cost::ONE)
            });
        });
        criterion.bench_function(&format!("full log of {units}/denied"), |bencher| {
            let (mut log, now) = (spread(units, 1, HOUR), START + span - 1);
            bencher.iter(|| check(&mut log, at(now), black_box(&rules), Cost::ONE));
        });
    }
}

/// Measures the first check after a million units have expired.
fn expired(criterion: &mut Criterion) {
    let span = i64::from(MILLION);
    for (name, retention, window) in [
        ("a million expired/outside the window", 24 * HOUR, MINUTE),
        ("a million expired/past the retention", span, span),
    ] {
        let (log, now) = (spread(MILLION, 1, retention), START + 2 * span - 2);
        let rules = rules(&[(MILLION, window)]);
        criterion.bench_function(name, |bencher| {
            bencher.iter_batched_ref(
                || log.clone(),
                |log| check(log, at(now), black_box(&rules), Cost::ONE),
                BatchSize::LargeInput,
            );
        });
    }
}

fn refunds(criterion: &mut Criterion) {
    let log = spread(MILLION, 1, HOUR);
    let now = at(START + i64::from(MILLION));
    for units in [1, 500_000] {
        criterion.bench_function(&format!("refund/{units} of a million"), |bencher| {
            bencher.iter_batched_ref(
                || log.clone(),
                |log| log.refund(now, black_box(units)),
                BatchSize::LargeInput,
            );
        });
    }
}

fn snapshots(criterion: &mut Criterion) {
    for (units, step) in [(10, 6_000), (1_000, 3_600), (MILLION, 3)] {
        let log = spread(units, step, 2 * HOUR);
        let bytes = log.to_snapshot();
        criterion.bench_function(&format!("snapshot/encode {units}"), |bencher| {
            bencher.iter(|| black_box(&log).to_snapshot());
        });
        criterion.bench_function(&format!("snapshot/decode {units}"), |bencher| {
            bencher.iter(|| Log::from_snapshot(black_box(&bytes)).expect("a snapshot"));
        });
    }
    let hour = rules(&[(MILLION, HOUR)]);
    let log = spread(1_000, 3_600, HOUR);
    criterion.bench_function("peek/1000 units", |bencher| {
        bencher.iter(|| peek(black_box(&log), at(START + HOUR), &hour, Cost::ONE));
    });
}

/// Returns a log of single units with `step` milliseconds between them.
fn spread(units: u32, step: i64, retention: i64) -> Log {
    let mut log = Log::new();
    for unit in 0..i64::from(units) {
        log.record(at(START + unit * step), Cost::ONE, window(retention));
    }
    log
}

fn rules(rules: &[(u32, i64)]) -> Rules {
    let rule = |&(limit, span)| Rule::new(Limit::new(limit), window(span));
    Rules::new(rules.iter().map(rule)).expect("rules")
}

fn window(millis: i64) -> Window {
    Window::from_millis(millis.cast_unsigned()).expect("a window")
}

fn at(millis: i64) -> Instant {
    Instant::from_unix_millis(millis).expect("an instant")
}
