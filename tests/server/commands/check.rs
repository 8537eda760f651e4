//! `RL.CHECK` with one rule: the six integers and the cost.

use crate::support::{Decision, Server, until};

#[test]
fn a_first_check_reports_remaining_and_reset() {
    let server = Server::start();
    let decision = server.connect().decide("RL.CHECK k 3 60");
    let expected = Decision {
        allowed: true,
        limit: 3,
        remaining: 2,
        retry_after_ms: 0,
        reset_after_ms: 60_000,
        window_ms: 60_000,
    };
    assert_eq!(decision, expected);
}

#[test]
fn a_limit_of_zero_denies_every_check_and_records_nothing() {
    let server = Server::start();
    let mut db = server.connect();
    let never = |reset_after_ms| Decision {
        allowed: false,
        limit: 0,
        remaining: 0,
        retry_after_ms: -1,
        reset_after_ms,
        window_ms: 60_000,
    };
    for command in ["RL.CHECK k 0 60", "RL.PEEK k 0 60 COST 7", "RL.CHECK k 5 1h 0 60"] {
        assert_eq!(db.decide(command), never(0), "{command}");
    }
    assert_eq!(db.run::<i64>("EXISTS k"), 0);
    assert_eq!(db.decide("RL.CHECK k 5 1h").remaining, 4);
    let denied = db.decide("RL.CHECK k 0 60");
    assert!((1..=60_000).contains(&denied.reset_after_ms), "{denied:?}");
    assert_eq!(denied, never(denied.reset_after_ms));
    assert_eq!(db.units("k"), 1);
}

#[test]
fn the_limit_is_reached_and_not_exceeded() {
    let server = Server::start();
    let mut db = server.connect();
    for remaining in (0..5).rev() {
        let decision = db.decide("RL.CHECK k 5 1h");
        assert_eq!((decision.allowed, decision.remaining), (true, remaining));
    }
    for _ in 0..5 {
        let decision = db.decide("RL.CHECK k 5 1h");
        assert_eq!((decision.allowed, decision.remaining), (false, 0));
    }
    assert_eq!(db.units("k"), 5);
}

#[test]
fn retry_after_is_exact_to_the_millisecond() {
    let server = Server::start();
    let mut db = server.connect();
    let now = db.now_ms();
    // The log has two units an hour ago and one ten minutes ago. The window is two hours.
    let (oldest, newest) = (now - 3_600_000, now - 600_000);
    db.record("k", 7_200_000, &[(oldest, 2), (newest, 1)]);
    for (cost, in_the_way) in [(1, oldest), (2, oldest), (3, newest)] {
        let before = db.now_ms();
        let decision = db.decide(&format!("RL.CHECK k 3 2h COST {cost}"));
        let after = db.now_ms();
        assert!(!decision.allowed);
        let leaves = in_the_way + 7_200_000;
        assert!((leaves - after..=leaves - before).contains(&decision.retry_after_ms));
        let empty = newest + 7_200_000;
        assert!((empty - after..=empty - before).contains(&decision.reset_after_ms));
    }
}

#[test]
fn a_check_after_retry_after_is_allowed() {
    let server = Server::start();
    let mut db = server.connect();
    for _ in 0..3 {
        let denied = loop {
            let decision = db.decide("RL.CHECK k 3 120ms");
            if !decision.allowed {
                break decision;
            }
        };
        let due = db.now_ms() + denied.retry_after_ms;
        until("the wait has ended", || db.now_ms() >= due);
        assert!(db.decide("RL.CHECK k 3 120ms").allowed);
    }
}

#[test]
fn a_cost_counts_as_many_units_at_one_instant() {
    let server = Server::start();
    let mut db = server.connect();
    assert_eq!(db.decide("RL.CHECK k 10 1h COST 4").remaining, 6);
    let hits = db.hits("k");
    assert_eq!(hits.len(), 1);
    assert_eq!(hits[0].1, 4);
    assert_eq!(db.decide("RL.CHECK k 10 1h COST 6").remaining, 0);
    assert!(!db.decide("RL.CHECK k 10 1h").allowed);
}

#[test]
fn a_cost_that_does_not_fit_records_nothing() {
    let server = Server::start();
    let mut db = server.connect();
    db.decide("RL.CHECK k 10 1h COST 8");
    let denied = db.decide("RL.CHECK k 10 1h COST 3");
    assert_eq!((denied.allowed, denied.remaining), (false, 2));
    assert!(db.decide("RL.CHECK k 10 1h COST 2").allowed);
    assert_eq!(db.units("k"), 10);
}

#[test]
fn a_cost_over_the_limit_is_never_allowed_and_creates_nothing() {
    let server = Server::start();
    let mut db = server.connect();
    let denied = db.decide("RL.CHECK k 5 60 COST 6");
    let expected = Decision {
        allowed: false,
        limit: 5,
        remaining: 5,
        retry_after_ms: -1,
        reset_after_ms: 0,
        window_ms: 60_000,
    };
    assert_eq!(denied, expected);
    assert_eq!(db.run::<i64>("EXISTS k"), 0);
}

#[test]
fn the_largest_limit_allows_the_largest_cost() {
    let server = Server::start();
    let mut db = server.connect();
    let all = db.decide("RL.CHECK k 1000000 366d COST 1000000");
    assert_eq!((all.allowed, all.remaining), (true, 0));
    assert!(!db.decide("RL.CHECK k 1000000 366d").allowed);
    assert_eq!(db.units("k"), 1_000_000);
}

#[test]
fn changed_limits_apply_to_recorded_units() {
    let server = Server::start();
    let mut db = server.connect();
    db.decide("RL.CHECK k 10 1h COST 8");
    let lowered = db.decide("RL.CHECK k 5 1h");
    assert_eq!((lowered.allowed, lowered.remaining), (false, 0));
    assert_eq!(db.decide("RL.CHECK k 20 1h").remaining, 11);
    assert_eq!(db.decide("RL.CHECK k 20 30m").remaining, 10);
}

#[test]
fn keys_do_not_share_their_units() {
    let server = Server::start();
    let mut db = server.connect();
    for key in 0..100 {
        assert!(db.decide(&format!("RL.CHECK k{key} 1 1h")).allowed);
    }
    for key in 0..100 {
        assert!(!db.decide(&format!("RL.CHECK k{key} 1 1h")).allowed);
    }
}
