//! `RL.PEEK`: decides like a check and changes nothing.

use crate::support::{Decision, Server};

#[test]
fn a_peek_of_a_missing_key_sees_an_empty_log_and_creates_nothing() {
    let server = Server::start();
    let mut db = server.connect();
    let expected = Decision {
        allowed: true,
        limit: 5,
        remaining: 5,
        retry_after_ms: 0,
        reset_after_ms: 0,
        window_ms: 60_000,
    };
    assert_eq!(db.decide("RL.PEEK k 5 60"), expected);
    assert_eq!(db.run::<i64>("DBSIZE"), 0);
}

#[test]
fn a_peek_reports_the_log_before_recording() {
    let server = Server::start();
    let mut db = server.connect();
    db.decide("RL.CHECK k 5 1h COST 2");
    for cost in 1..=3 {
        let peek = db.decide(&format!("RL.PEEK k 5 1h COST {cost}"));
        assert_eq!((peek.allowed, peek.remaining), (true, 3));
    }
    let denied = db.decide("RL.PEEK k 5 1h COST 4");
    assert_eq!((denied.allowed, denied.remaining), (false, 3));
    assert!((3_590_000..=3_600_000).contains(&denied.retry_after_ms));
    assert_eq!(db.decide("RL.PEEK k 5 1h COST 6").retry_after_ms, -1);
}

#[test]
fn a_peek_predicts_the_next_check() {
    let server = Server::start();
    let mut db = server.connect();
    for _ in 0..30 {
        for cost in [1, 3, 7] {
            let arguments = format!("k 40 1h 60 2h COST {cost}");
            let peek = db.decide(&format!("RL.PEEK {arguments}"));
            let check = db.decide(&format!("RL.CHECK {arguments}"));
            assert_eq!(peek.allowed, check.allowed);
            assert_eq!(peek.limit, check.limit);
            let recorded = if check.allowed { cost } else { 0 };
            assert_eq!(peek.remaining, check.remaining + recorded);
        }
    }
}

#[test]
fn a_peek_is_not_a_write() {
    let server = Server::start();
    let mut db = server.connect();
    db.decide("RL.CHECK k 5 1h");
    let state = |db: &mut crate::support::Client| {
        (db.digest(), db.run::<i64>("PEXPIRETIME k"), db.info("rdb_changes_since_last_save"))
    };
    let before = state(&mut db);
    for command in [
        "RL.PEEK k 5 1h",
        "RL.PEEK k 1 1h",
        "RL.PEEK k 5 300d COST 3",
        "RL.PEEK k 1 1ms",
        "RL.INSPECT k",
        "RL.HITS k",
    ] {
        db.run::<redis::Value>(command);
    }
    assert_eq!(state(&mut db), before);
}
