//! `RL.REFUND`: removes the newest units.

use crate::support::{Client, MAX_EXPIRY_DELAY_MS, Server, until};

/// Records three units an hour ago, four a minute ago and two a second ago.
fn three_hits(db: &mut Client) -> [i64; 3] {
    let now = db.now_ms();
    let instants = [now - 3_600_000, now - 60_000, now - 1000];
    let [oldest, middle, newest] = instants;
    db.record("k", 7_200_000, &[(oldest, 3), (middle, 4), (newest, 2)]);
    instants
}

#[test]
fn a_refund_removes_one_unit_by_default() {
    let server = Server::start();
    let mut db = server.connect();
    db.decide("RL.CHECK k 5 1h COST 5");
    assert_eq!(db.run::<i64>("RL.REFUND k"), 1);
    assert_eq!(db.units("k"), 4);
    assert!(db.decide("RL.CHECK k 5 1h").allowed);
    assert!(!db.decide("RL.CHECK k 5 1h").allowed);
}

#[test]
fn the_newest_units_are_refunded_first() {
    let server = Server::start();
    let mut db = server.connect();
    let [oldest, middle, newest] = three_hits(&mut db);
    assert_eq!(db.run::<i64>("RL.REFUND k COST 1"), 1);
    assert_eq!(db.hits("k"), [(newest, 1), (middle, 4), (oldest, 3)]);
    assert_eq!(db.run::<i64>("RL.REFUND k COST 3"), 3);
    assert_eq!(db.hits("k"), [(middle, 2), (oldest, 3)]);
    assert_eq!(db.run::<i64>("RL.REFUND k COST 2"), 2);
    assert_eq!(db.hits("k"), [(oldest, 3)]);
}

#[test]
fn a_refund_removes_at_most_the_recorded_units() {
    let server = Server::start();
    let mut db = server.connect();
    three_hits(&mut db);
    assert_eq!(db.run::<i64>("RL.REFUND k COST 1000000"), 9);
    assert_eq!(db.run::<i64>("EXISTS k"), 0);
    assert_eq!(db.run::<i64>("RL.REFUND k COST 1000000"), 0);
    assert_eq!(db.run::<i64>("EXISTS k"), 0);
}

#[test]
fn expired_units_cannot_be_refunded() {
    let server = Server::start();
    let mut db = server.connect();
    let now = db.now_ms();
    let (expiring, lasting) = (now - 7_199_900, now - 3_600_000);
    db.record("k", 7_200_000, &[(expiring, 5), (lasting, 2)]);
    until("the older units have expired", || db.units("k") == 2);
    assert_eq!(db.run::<i64>("RL.REFUND k COST 10"), 2);
    assert_eq!(db.run::<i64>("EXISTS k"), 0);
}

#[test]
fn the_remaining_units_expire_as_before() {
    let server = Server::start();
    let mut db = server.connect();
    let [oldest, middle, _] = three_hits(&mut db);
    for (cost, newest) in [(2, middle), (4, oldest)] {
        db.run::<()>(&format!("RL.REFUND k COST {cost}"));
        let needed = newest + 7_200_000;
        let expires_at: i64 = db.run("PEXPIRETIME k");
        assert!((needed..=needed + MAX_EXPIRY_DELAY_MS).contains(&expires_at));
    }
}

#[test]
fn a_check_and_its_refund_leave_room_for_another() {
    let server = Server::start();
    let mut db = server.connect();
    for _ in 0..1000 {
        assert!(db.decide("RL.CHECK k 3 1h COST 3").allowed);
        assert_eq!(db.run::<i64>("RL.REFUND k COST 3"), 3);
    }
    assert_eq!(db.run::<i64>("EXISTS k"), 0);
}

#[test]
fn a_refund_of_nothing_is_not_a_write() {
    let server = Server::start();
    let mut db = server.connect();
    let before = db.info("rdb_changes_since_last_save");
    assert_eq!(db.run::<i64>("RL.REFUND missing COST 5"), 0);
    assert_eq!(db.info("rdb_changes_since_last_save"), before);
}
