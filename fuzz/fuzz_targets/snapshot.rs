//! Arbitrary bytes, as in `RESTORE`, are either rejected or loaded as a log whose snapshot is the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ratelog_core::{Cost, Instant, Limit, Log, Rule, Rules, Window, check};

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut log) = Log::from_snapshot(bytes) else { return };
    assert_eq!(log.to_snapshot(), bytes);
    let now = Instant::from_clock(1_700_000_000_000);
    let units: u64 = log.at(now).newest_hits(usize::MAX).iter().map(|hit| hit.units).sum();
    assert_eq!(units, log.at(now).units());
    let rule = Rule::new(Limit::DEFAULT_MAX, Window::DEFAULT_MAX);
    check(&mut log, now, &Rules::one(rule), Cost::ONE);
    log.refund(now, 3);
    assert_eq!(
        Log::from_snapshot(&log.to_snapshot()).map(|log| log.to_snapshot()),
        Ok(log.to_snapshot())
    );
});
