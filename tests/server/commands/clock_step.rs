//! A clock that stepped back. The log's newest unit is ahead of the server's clock.

use crate::support::{Client, MAX_EXPIRY_DELAY_MS, Server, assert_same_dataset};

const HOUR: i64 = 3_600_000;

/// Records units whose newest is an hour ahead. The gaps are ten and three seconds.
fn record_ahead(db: &mut Client) {
    let newest = db.now_ms() + HOUR;
    let hits = [(newest - 13_000, 2), (newest - 3_000, 1), (newest, 3)];
    db.record("k", 2 * HOUR, &hits);
}

#[track_caller]
fn assert_shifted_between(hits: &[(i64, i64)], before: i64, after: i64) {
    let newest = hits[0].0;
    assert!((before..=after).contains(&newest), "{newest} is not now");
    assert_eq!(hits, [(newest, 3), (newest - 3_000, 1), (newest - 13_000, 2)]);
}

#[test]
fn a_denied_check_shifts_the_log_to_now_and_keeps_its_gaps() {
    let server = Server::start();
    let mut db = server.connect();
    record_ahead(&mut db);
    let before = db.now_ms();
    let denied = db.decide("RL.CHECK k 6 2h");
    let after = db.now_ms();
    assert!(!denied.allowed);
    assert_eq!(denied.reset_after_ms, 2 * HOUR);
    assert_eq!(denied.retry_after_ms, 2 * HOUR - 13_000);
    assert_shifted_between(&db.hits("k"), before, after);
}

#[test]
fn an_allowed_check_shifts_the_log_and_records_at_now() {
    let server = Server::start();
    let mut db = server.connect();
    record_ahead(&mut db);
    let before = db.now_ms();
    let allowed = db.decide("RL.CHECK k 10 2h");
    let after = db.now_ms();
    assert_eq!((allowed.allowed, allowed.remaining), (true, 3));
    let mut hits = db.hits("k");
    assert_eq!(hits[0].1, 4);
    hits[0].1 = 3;
    assert_shifted_between(&hits, before, after);
}

#[test]
fn a_key_is_denied_for_at_most_the_window() {
    let server = Server::start();
    let mut db = server.connect();
    record_ahead(&mut db);
    let denied = db.decide("RL.CHECK k 4 5s");
    assert_eq!(denied.retry_after_ms, 2000);
    let needed = db.hits("k")[0].0 + 2 * HOUR;
    let expires_at: i64 = db.run("PEXPIRETIME k");
    assert!((needed..=needed + MAX_EXPIRY_DELAY_MS).contains(&expires_at));
}

#[test]
fn nothing_is_allowed_twice_after_a_step_back() {
    let server = Server::start();
    let mut db = server.connect();
    record_ahead(&mut db);
    let allowed = (0..20).filter(|_| db.decide("RL.CHECK k 10 1h").allowed);
    assert_eq!(allowed.count(), 4);
}

#[test]
fn a_peek_decides_as_if_the_log_had_shifted_and_changes_nothing() {
    let server = Server::start();
    let mut db = server.connect();
    record_ahead(&mut db);
    let before = (db.digest(), db.info("rdb_changes_since_last_save"));
    let peek = db.decide("RL.PEEK k 4 5s");
    assert_eq!((peek.allowed, peek.remaining), (false, 0));
    assert_eq!((peek.retry_after_ms, peek.reset_after_ms), (2000, 5000));
    assert_eq!(db.decide("RL.PEEK k 3 2s").reset_after_ms, 2000);
    assert_eq!(db.decide("RL.PEEK k 5 5s").remaining, 1);
    assert_eq!(db.units("k"), 6);
    let after = (db.digest(), db.info("rdb_changes_since_last_save"));
    assert_eq!(after, before);
}

#[test]
fn the_shift_of_a_denied_check_is_replicated_and_the_next_denial_is_not() {
    let server = Server::start();
    let replica = server.start_replica(&[]);
    let mut db = server.connect();
    record_ahead(&mut db);
    assert_same_dataset(&server, &replica);
    let before = db.info_number("rdb_changes_since_last_save");
    let offset = db.info_number("master_repl_offset");
    assert!(!db.decide("RL.CHECK k 6 2h").allowed);
    assert!(db.info_number("rdb_changes_since_last_save") > before);
    assert!(db.info_number("master_repl_offset") > offset);
    assert_same_dataset(&server, &replica);
    assert_eq!(replica.connect().hits("k"), db.hits("k"));

    let before = db.info("rdb_changes_since_last_save");
    let offset = db.info("master_repl_offset");
    assert!(!db.decide("RL.CHECK k 6 2h").allowed);
    assert_eq!(db.info("rdb_changes_since_last_save"), before);
    assert_eq!(db.info("master_repl_offset"), offset);
}

#[test]
fn a_refund_after_a_step_back_removes_the_newest_units() {
    let server = Server::start();
    let replica = server.start_replica(&[]);
    let mut db = server.connect();
    record_ahead(&mut db);
    assert_eq!(db.run::<i64>("RL.REFUND k COST 4"), 4);
    assert_eq!(db.units("k"), 2);
    assert!(db.decide("RL.CHECK k 3 2h").allowed);
    assert!(!db.decide("RL.CHECK k 3 2h").allowed);
    assert_same_dataset(&server, &replica);
}

#[test]
fn a_million_units_shift_at_once() {
    let server = Server::start();
    let mut db = server.connect();
    let newest = db.now_ms() + HOUR;
    let hits: Vec<_> = (0..5000).map(|step| (newest - 10_000 + 2 * step, 200)).collect();
    db.record("k", 2 * HOUR, &hits);
    let before = db.now_ms();
    assert!(!db.decide("RL.CHECK k 1000000 2h").allowed);
    let after = db.now_ms();
    let shifted = db.hits("k");
    let by = hits[4999].0 - shifted[0].0;
    assert!((before..=after).contains(&shifted[0].0));
    assert!(hits.iter().rev().map(|&(instant, units)| (instant - by, units)).eq(shifted));
}
