//! A key expires with its last unit or shortly after.

use crate::support::{Client, MAX_EXPIRY_DELAY_MS, Server, until};

fn inspect(db: &mut Client, field: usize) -> i64 {
    let values: Vec<Option<String>> = db.run("RL.INSPECT k");
    let value = values[2 * field + 1].as_ref().expect("a number");
    value.parse().expect("a number")
}

/// Asserts that the key lasts longer than its last unit, but by at most 1/16 of the retention and at most five
/// seconds.
#[track_caller]
fn assert_expires_in_time(db: &mut Client) {
    let newest = inspect(db, 2);
    let retention = inspect(db, 3);
    let late = db.run::<i64>("PEXPIRETIME k") - (newest + retention);
    let slack = (retention / 16).min(MAX_EXPIRY_DELAY_MS);
    assert!((0..=slack).contains(&late), "{late} is not in 0..={slack}");
}

/// Records units at many instants under `k`.
fn large_log(db: &mut Client) {
    let first = db.now_ms() - 50_000;
    let hits: Vec<_> = (0..20_000).map(|step| (first + 2 * step, 3)).collect();
    db.record("k", 3_600_000, &hits);
}

#[test]
fn the_expiry_keeps_up_with_the_newest_unit() {
    let server = Server::start();
    let mut db = server.connect();
    for window in ["1s", "33", "10m", "5h", "366d"] {
        db.run::<()>("DEL k");
        for _ in 0..300 {
            db.decide(&format!("RL.CHECK k 1000000 {window}"));
            assert_expires_in_time(&mut db);
        }
    }
}

#[test]
fn a_short_retention_expires_to_the_millisecond() {
    let server = Server::start();
    let mut db = server.connect();
    let newest = db.now_ms() + 60_000;
    for retention in 1..=64 {
        db.record("k", retention, &[(newest, 1)]);
        let late = db.run::<i64>("PEXPIRETIME k") - (newest + retention);
        assert!((0..=retention / 16).contains(&late), "{late} of {retention}");
    }
}

#[test]
fn the_expiry_keeps_up_over_time() {
    let server = Server::start();
    let mut db = server.connect();
    let start = db.now_ms();
    while db.now_ms() < start + 600 {
        db.decide("RL.CHECK k 1000000 2s");
        assert_expires_in_time(&mut db);
    }
}

#[test]
fn the_expiry_grows_with_the_retention_and_never_shrinks_with_a_shorter_window() {
    let server = Server::start();
    let mut db = server.connect();
    for window in ["1m", "1s", "1h", "10ms", "1d", "5m"] {
        db.decide(&format!("RL.CHECK k 100 {window}"));
        assert_expires_in_time(&mut db);
    }
    assert!(db.run::<i64>("PTTL k") > 86_000_000);
}

#[test]
fn an_idle_key_expires() {
    let server = Server::start();
    let mut db = server.connect();
    for window in ["1ms", "20ms", "150ms"] {
        db.decide(&format!("RL.CHECK k:{window} 5 {window}"));
    }
    until("the keys are gone", || db.run::<i64>("DBSIZE") == 0);
}

#[test]
fn a_key_that_expired_starts_over() {
    let server = Server::start();
    let mut db = server.connect();
    assert!(db.decide("RL.CHECK k 3 40ms COST 2").allowed);
    until("there is room for another two, and one is left", || {
        let decision = db.decide("RL.CHECK k 3 40ms COST 2");
        assert_eq!(decision.remaining, 1);
        decision.allowed
    });
}

#[test]
fn the_shortest_window_lasts_a_millisecond() {
    let server = Server::start();
    let mut db = server.connect();
    let mut allowed = 0;
    until("some checks were allowed", || {
        let burst = (0..20).filter(|_| db.decide("RL.CHECK k 1 1ms 1000000 1h").allowed);
        allowed += burst.count();
        allowed > 30
    });
    let hits = db.hits("k");
    assert_eq!(hits.len(), allowed);
    assert!(hits.iter().all(|(_, units)| *units == 1), "{hits:?}");
}

#[test]
fn a_persisted_key_expires_again_after_its_next_check() {
    let server = Server::start();
    let mut db = server.connect();
    db.decide("RL.CHECK k 5 1h");
    assert_eq!(db.run::<i64>("PERSIST k"), 1);
    db.decide("RL.CHECK k 5 1h");
    assert_expires_in_time(&mut db);
    let dump: Vec<u8> = db.run("DUMP k");
    db.restore("k", &dump).expect("the dump is valid");
    db.decide("RL.CHECK k 5 1h");
    assert_expires_in_time(&mut db);
}

#[test]
fn a_denied_check_does_not_change_the_expiry() {
    let server = Server::start();
    let mut db = server.connect();
    db.decide("RL.CHECK k 2 1h COST 2");
    let before: i64 = db.run("PEXPIRETIME k");
    for _ in 0..100 {
        assert!(!db.decide("RL.CHECK k 2 1h 9 300d").allowed);
    }
    assert_eq!(db.run::<i64>("PEXPIRETIME k"), before);
}

#[test]
fn a_key_whose_expiry_was_shortened_keeps_its_units_after_the_next_check() {
    let server = Server::start();
    let mut db = server.connect();
    db.decide("RL.CHECK k 5 1h");
    db.run::<()>("PEXPIRE k 60000");
    db.decide("RL.CHECK k 5 1h");
    assert_expires_in_time(&mut db);
}

#[test]
fn flushing_in_the_background_removes_every_log() {
    let server = Server::start();
    let mut db = server.connect();
    for how in ["ASYNC", "SYNC"] {
        large_log(&mut db);
        for key in 0..500 {
            db.decide(&format!("RL.CHECK k{key} 1000 1h COST 900"));
        }
        db.run::<()>(&format!("FLUSHALL {how}"));
        assert_eq!(db.run::<i64>("DBSIZE"), 0);
        assert!(db.decide("RL.CHECK k1 1 1h").allowed);
        until("nothing is left to free", || db.info_number("lazyfree_pending_objects") == 0);
        db.run::<()>("FLUSHALL");
    }
}

#[test]
fn unlinking_a_large_log_frees_it() {
    let server = Server::start();
    let mut db = server.connect();
    large_log(&mut db);
    assert_eq!(db.run::<i64>("UNLINK k"), 1);
    until("nothing is left to free", || db.info_number("lazyfree_pending_objects") == 0);
    assert_eq!(db.run::<i64>("EXISTS k"), 0);
}
