//! The guarantee itself in real time: no span of the window contains more than the limit.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{Server, until};

const WINDOW_MS: i64 = 100;
const LIMIT: i64 = 30;

/// A second rule with a long window, so that every allowed unit stays in the log.
const RETAINED: &str = "1000000 1h";

/// Sends checks of one key from several connections until its log has enough units. Returns the log.
fn hammer(command: &str) -> Vec<(i64, i64)> {
    let server = Server::start();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let mut db = server.connect();
            let stop = &stop;
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    db.decide(command);
                }
            });
        }
        let mut db = server.connect();
        until("several windows have passed", || {
            stop.load(Ordering::Relaxed) || db.units("k") > 6 * LIMIT
        });
        stop.store(true, Ordering::Relaxed);
    });
    server.connect().hits("k")
}

fn assert_no_span_is_over_the_limit(hits: &[(i64, i64)]) {
    for (end, _) in hits {
        let span = end - WINDOW_MS..=*end;
        let units: i64 = hits
            .iter()
            .filter(|(instant, _)| span.contains(instant) && instant != span.start())
            .map(|(_, units)| units)
            .sum();
        assert!(units <= LIMIT, "{units} in the {WINDOW_MS} ms up to {end}");
    }
}

#[test]
fn no_span_of_the_window_has_more_units_than_the_limit() {
    let hits = hammer(&format!("RL.CHECK k {LIMIT} {WINDOW_MS}ms {RETAINED}"));
    assert_no_span_is_over_the_limit(&hits);
}

#[test]
fn no_span_of_the_window_has_more_units_than_the_limit_with_a_cost() {
    let hits = hammer(&format!("RL.CHECK k {LIMIT} {WINDOW_MS}ms {RETAINED} COST 7"));
    assert_no_span_is_over_the_limit(&hits);
}

#[test]
fn a_client_that_hammers_gets_the_whole_limit_in_each_window() {
    let hits = hammer(&format!("RL.CHECK k {LIMIT} {WINDOW_MS}ms {RETAINED}"));
    let instants: Vec<_> = hits
        .iter()
        .rev()
        .flat_map(|(instant, units)| {
            std::iter::repeat_n(*instant, usize::try_from(*units).unwrap())
        })
        .collect();
    // `units[0]` and `units[lag]` are `LIMIT` units apart. The later one was allowed when the earlier one left
    // the window, or soon after.
    let lag = usize::try_from(LIMIT).expect("a small limit");
    let waits: Vec<_> = instants.windows(lag + 1).map(|units| units[lag] - units[0]).collect();
    assert!(waits.iter().all(|wait| *wait >= WINDOW_MS));
    assert!(waits.iter().any(|wait| *wait <= WINDOW_MS + 5), "{waits:?}");
}
