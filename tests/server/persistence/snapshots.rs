//! Snapshots. The loaded dataset equals the saved one bit for bit.

use crate::support::{Client, Server, Stop, dataset, until};

/// Creates logs of many shapes in two databases.
fn fill(db: &mut Client) {
    let now = db.now_ms();
    for (key, count, step) in [("one", 1, 1), ("dense", 3000, 1), ("sparse", 3000, 40_000)] {
        let first = now - count * step;
        let hits: Vec<_> = (0..count).map(|hit| (first + hit * step, 1 + hit % 7)).collect();
        db.record(key, 31_622_400_000, &hits);
    }
    db.record("heavy", 3_600_000, &[(now - 1, 1_000_000), (now, 1_000_000)]);
    db.record("ahead", 3_600_000, &[(now + 3_600_000, 3)]);
    db.record("wide", 31_622_400_000, &[(now - 31_000_000_000, 1), (now, 1)]);
    for key in 0..200 {
        db.decide(&format!("RL.CHECK k{key} 9 1h 40 2d COST 3"));
    }
    db.run::<i64>("RL.REFUND dense COST 1500");
    db.run::<()>("SELECT 1");
    db.decide("RL.CHECK elsewhere 5 1h");
    db.run::<()>("SELECT 0");
}

#[test]
fn a_reload_changes_nothing() {
    let server = Server::start();
    let mut db = server.connect();
    fill(&mut db);
    let before = (db.digest(), dataset(&mut db));
    for _ in 0..3 {
        db.run::<()>("DEBUG RELOAD");
        assert_eq!((db.digest(), dataset(&mut db)), before);
    }
}

#[test]
fn a_restart_from_a_snapshot_changes_nothing() {
    let mut server = Server::start();
    let mut db = server.connect();
    fill(&mut db);
    let before = (db.digest(), dataset(&mut db));
    server.restart(Stop::Save);
    let mut db = server.connect();
    assert_eq!((db.digest(), dataset(&mut db)), before);
    assert_eq!(db.decide("RL.PEEK k1 9 1h").remaining, 6);
}

#[test]
fn a_background_snapshot_has_the_state_at_its_start() {
    let mut server = Server::start();
    let mut db = server.connect();
    fill(&mut db);
    let before = (db.digest(), dataset(&mut db));
    db.run::<()>("BGSAVE");
    for key in 0..200 {
        db.decide(&format!("RL.CHECK k{key} 9 1h"));
        db.run::<i64>("RL.REFUND sparse COST 10");
    }
    until("the snapshot is written", || db.info("rdb_bgsave_in_progress") == "0");
    assert_eq!(db.info("rdb_last_bgsave_status"), "ok");
    server.restart(Stop::Kill);
    let mut db = server.connect();
    assert_eq!((db.digest(), dataset(&mut db)), before);
}

#[test]
fn checks_count_as_changes_for_save_points() {
    let server = Server::with(&["save 1 3"]);
    let mut db = server.connect();
    assert_eq!(db.info("rdb_changes_since_last_save"), "0");
    for changes in 1..=2 {
        db.decide("RL.CHECK k 3 1h");
        assert_eq!(db.info_number("rdb_changes_since_last_save"), changes);
    }
    db.decide("RL.CHECK k 3 1h");
    until("the server saved by itself", || server.path("dump.rdb").exists());
    until("the snapshot is complete", || db.info("rdb_changes_since_last_save") == "0");
}

#[test]
fn a_denied_check_is_not_a_change() {
    let server = Server::start();
    let mut db = server.connect();
    db.decide("RL.CHECK k 1 1h");
    let before = db.info("rdb_changes_since_last_save");
    for command in ["RL.CHECK k 1 1h", "RL.CHECK k 1 1h 5 2h", "RL.PEEK k 1 1h"] {
        db.decide(command);
    }
    assert!(!db.decide("RL.CHECK new 1 1h COST 2").allowed);
    assert_eq!(db.info("rdb_changes_since_last_save"), before);
    db.run::<i64>("RL.REFUND k");
    assert_ne!(db.info("rdb_changes_since_last_save"), before);
}

#[test]
fn an_expired_log_does_not_come_back_from_a_snapshot() {
    let mut server = Server::start();
    let mut db = server.connect();
    db.run::<()>("DEBUG SET-ACTIVE-EXPIRE 0");
    db.decide("RL.CHECK short 5 100ms");
    db.decide("RL.CHECK long 5 1h");
    let over = db.now_ms() + 150;
    server.stop(Stop::Save);
    server.start_again();
    let mut db = server.connect();
    until("the short window has ended", || db.now_ms() > over);
    assert_eq!(db.decide("RL.PEEK short 5 100ms").remaining, 5);
    assert_eq!(db.run::<i64>("EXISTS short"), 0);
    assert_eq!(db.decide("RL.PEEK long 5 1h").remaining, 4);
}

#[test]
fn units_that_expired_while_the_server_was_down_are_not_counted() {
    let mut server = Server::start();
    let mut db = server.connect();
    let now = db.now_ms();
    let expiring = now - 3_600_000 + 300;
    db.record("k", 3_600_000, &[(expiring, 4), (now, 1)]);
    let before = db.digest();
    server.restart(Stop::Save);
    let mut db = server.connect();
    assert_eq!(db.digest(), before);
    until("the older units have expired", || db.decide("RL.PEEK k 5 1h").remaining == 4);
    assert!(db.now_ms() >= expiring + 3_600_000);
    // Only the next effect removes expired units from the value.
    assert_eq!(db.digest(), before);
}
