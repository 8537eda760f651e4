//! Several rules in one check. All rules must allow it, and the reply describes the binding rule.

use crate::support::{Client, Server};

/// Records units at the given ages and retains them for a day.
fn record(db: &mut Client, key: &str, aged: &[(i64, i64)]) {
    let now = db.now_ms();
    let hits: Vec<_> = aged.iter().map(|&(age, units)| (now - age, units)).collect();
    db.record(key, 86_400_000, &hits);
}

#[test]
fn every_rule_must_allow_a_check() {
    let server = Server::start();
    let mut db = server.connect();
    let command = "RL.CHECK k 10 1h 4 1d 100 1m";
    for _ in 0..4 {
        assert!(db.decide(command).allowed);
    }
    let denied = db.decide(command);
    assert_eq!((denied.allowed, denied.limit), (false, 4));
    assert_eq!(db.units("k"), 4);
}

#[test]
fn rules_of_one_check_count_the_same_units() {
    let server = Server::start();
    let mut db = server.connect();
    record(&mut db, "k", &[(7_200_000, 5), (600_000, 3)]);
    assert_eq!(db.decide("RL.PEEK k 100 1m").remaining, 100);
    assert_eq!(db.decide("RL.PEEK k 100 1h").remaining, 97);
    assert_eq!(db.decide("RL.PEEK k 100 3h").remaining, 92);
    let least = db.decide("RL.PEEK k 100 1m 100 1h 100 3h");
    assert_eq!((least.remaining, least.window_ms), (92, 10_800_000));
}

#[test]
fn an_allowed_check_reports_the_least_remaining() {
    let server = Server::start();
    let mut db = server.connect();
    let decision = db.decide("RL.CHECK k 9 1m 3 1h 7 1d");
    assert_eq!((decision.limit, decision.remaining), (3, 2));
    assert_eq!(decision.window_ms, 3_600_000);
    assert_eq!(decision.reset_after_ms, 3_600_000);
}

#[test]
fn the_first_rule_given_wins_a_tie_of_remaining() {
    let server = Server::start();
    let mut db = server.connect();
    assert_eq!(db.decide("RL.CHECK a 5 1h 5 1d 5 1m").window_ms, 3_600_000);
    assert_eq!(db.decide("RL.CHECK b 5 1d 5 1h 5 1m").window_ms, 86_400_000);
    assert_eq!(db.decide("RL.PEEK b 6 1h 6 1d").window_ms, 3_600_000);
}

#[test]
fn a_denied_check_reports_the_longest_wait() {
    let server = Server::start();
    let mut db = server.connect();
    record(&mut db, "k", &[(1000, 5)]);
    for command in ["RL.CHECK k 5 1m 5 1h 9 1d", "RL.CHECK k 9 1d 5 1h 5 1m"] {
        let denied = db.decide(command);
        assert!(!denied.allowed);
        assert_eq!((denied.limit, denied.window_ms), (5, 3_600_000));
        assert!((3_500_000..=3_599_000).contains(&denied.retry_after_ms));
    }
}

#[test]
fn the_first_rule_given_wins_a_tie_of_waits() {
    let server = Server::start();
    let mut db = server.connect();
    record(&mut db, "k", &[(1000, 5)]);
    assert_eq!(db.decide("RL.CHECK k 4 1h 5 1h").limit, 4);
    assert_eq!(db.decide("RL.CHECK k 5 1h 4 1h").limit, 5);
}

#[test]
fn never_is_the_longest_wait() {
    let server = Server::start();
    let mut db = server.connect();
    record(&mut db, "k", &[(1000, 5)]);
    let denied = db.decide("RL.CHECK k 5 1d 2 1s 1 1ms COST 3");
    assert!(!denied.allowed);
    assert_eq!((denied.limit, denied.retry_after_ms), (2, -1));
    let denied = db.decide("RL.CHECK k 5 1d 5 1s COST 3");
    assert!(!denied.allowed);
    assert_eq!(denied.window_ms, 86_400_000);
    assert!(denied.retry_after_ms > 0);
}

#[test]
fn an_allowing_rule_does_not_bind_a_denied_check() {
    let server = Server::start();
    let mut db = server.connect();
    record(&mut db, "k", &[(10_000, 5), (100, 1)]);
    // Both rules have no units remaining, but only the second denies.
    let denied = db.decide("RL.CHECK k 7 1h 1 1m");
    assert!(!denied.allowed);
    assert_eq!((denied.limit, denied.window_ms), (1, 60_000));
}

#[test]
fn retention_is_the_longest_window_of_all_recorded_checks() {
    let server = Server::start();
    let mut db = server.connect();
    let retention = |db: &mut Client| db.run::<Vec<redis::Value>>("RL.INSPECT k")[7].clone();
    db.decide("RL.CHECK k 5 1m");
    assert_eq!(retention(&mut db), redis::Value::Int(60_000));
    db.decide("RL.CHECK k 5 1m 5 2h 5 1h");
    assert_eq!(retention(&mut db), redis::Value::Int(7_200_000));
    db.decide("RL.CHECK k 5 1m");
    assert_eq!(retention(&mut db), redis::Value::Int(7_200_000));
    assert!(!db.decide("RL.CHECK k 3 1d").allowed);
    db.decide("RL.PEEK k 5 1d");
    assert_eq!(retention(&mut db), redis::Value::Int(7_200_000));
}

#[test]
fn all_sixteen_rules_are_enforced() {
    let server = Server::start();
    let mut db = server.connect();
    for tight in 0..16 {
        let rules: String = (0..16)
            .map(|rule| format!(" {} {}h", if rule == tight { 2 } else { 9 }, rule + 1))
            .collect();
        let command = format!("RL.CHECK k{tight}{rules}");
        assert!(db.decide(&command).allowed && db.decide(&command).allowed);
        let denied = db.decide(&command);
        assert!(!denied.allowed);
        assert_eq!(denied.window_ms, (tight + 1) * 3_600_000);
    }
}
