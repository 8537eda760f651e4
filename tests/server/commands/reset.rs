//! `RL.RESET`: removes all units.

use crate::support::{MAX_EXPIRY_DELAY_MS, Server};

#[test]
fn a_reset_removes_every_unit_and_returns_their_number() {
    let server = Server::start();
    let mut db = server.connect();
    db.decide("RL.CHECK k 50 1h COST 30");
    db.decide("RL.CHECK k 50 1h COST 20");
    assert_eq!(db.run::<i64>("RL.RESET k"), 50);
    assert_eq!(db.run::<i64>("EXISTS k"), 0);
    assert_eq!(db.decide("RL.CHECK k 50 1h").remaining, 49);
}

#[test]
fn resetting_a_missing_key_is_not_a_write() {
    let server = Server::start();
    let mut db = server.connect();
    let before = db.info("rdb_changes_since_last_save");
    assert_eq!(db.run::<i64>("RL.RESET k"), 0);
    assert_eq!(db.run::<i64>("EXISTS k"), 0);
    assert_eq!(db.info("rdb_changes_since_last_save"), before);
}

#[test]
fn a_reset_removes_the_retention_too() {
    let server = Server::start();
    let mut db = server.connect();
    db.decide("RL.CHECK k 5 1d");
    db.run::<()>("RL.RESET k");
    db.decide("RL.CHECK k 5 1m");
    let ttl: i64 = db.run("PTTL k");
    assert!((1..=60_000 + MAX_EXPIRY_DELAY_MS).contains(&ttl), "{ttl}");
}

#[test]
fn a_million_units_are_removed_at_once() {
    let server = Server::start();
    let mut db = server.connect();
    let now = db.now_ms();
    let hits: Vec<_> = (1..=10).map(|step| (now - 100 + step, 100_000)).collect();
    db.record("k", 3_600_000, &hits);
    assert_eq!(db.run::<i64>("RL.RESET k"), 1_000_000);
    assert_eq!(db.run::<i64>("DBSIZE"), 0);
}
