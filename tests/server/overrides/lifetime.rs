//! The lifetime of an override and of its key.

use crate::support::{Client, MAX_EXPIRY_DELAY_MS, Server, assert_same_dataset, until};

const HOUR: i64 = 3_600_000;

fn started() -> (Server, Client) {
    let server = Server::start();
    let db = server.connect();
    (server, db)
}

fn expires_at(db: &mut Client, key: &str) -> i64 {
    db.run(["PEXPIRETIME", key])
}

fn wait_for_the_end_of(db: &mut Client, key: &str) {
    let end = db.override_end(key);
    until("the override has ended", || db.now_ms() >= end);
}

#[test]
fn a_key_with_a_permanent_override_stays() {
    let (_server, mut db) = started();
    for key_override in ["ALLOW", "DENY", "LIMIT 5 1ms"] {
        db.run::<()>(&format!("RL.OVERRIDE SET k {key_override}"));
        assert_eq!(db.run::<i64>("PTTL k"), -1);
        db.decide("RL.CHECK k 5 10ms");
        assert_eq!(db.run::<i64>("PTTL k"), -1);
    }
    until("the units have expired", || db.decide("RL.PEEK k 5 10ms").reset_after_ms == 0);
    assert!(db.get_override("k").is_some());
    assert_eq!(db.run::<i64>("RL.OVERRIDE DEL k"), 1);
    until("nothing is left", || db.run::<i64>("DBSIZE") == 0);
}

#[test]
fn a_key_with_only_a_timed_override_lives_exactly_until_it_ends() {
    let (_server, mut db) = started();
    for (lasts, millis) in [("PX 60000", 60_000), ("EX 60", 60_000), ("PX 1", 1), ("PX 300", 300)] {
        db.run::<()>("FLUSHALL");
        let before = db.now_ms();
        db.run::<()>(&format!("RL.OVERRIDE SET k DENY {lasts}"));
        let after = db.now_ms();
        let at = expires_at(&mut db, "k");
        if millis >= 60_000 {
            assert!((before + millis..=after + millis).contains(&at));
            assert_eq!(db.override_end("k"), at);
        } else {
            until("the key is gone", || db.run::<i64>("EXISTS k") == 0);
            assert!(db.now_ms() >= before + millis);
            assert_eq!(db.decide("RL.CHECK k 5 1h").remaining, 4);
            assert_eq!(db.override_text("k"), "");
        }
    }
}

#[test]
fn a_key_with_units_and_an_override_lives_until_the_later_end() {
    let (_server, mut db) = started();
    db.decide("RL.CHECK k 5 1h");
    let units = expires_at(&mut db, "k");
    db.run::<()>("RL.OVERRIDE SET k ALLOW PX 60000");
    assert_eq!(expires_at(&mut db, "k"), units);
    db.run::<()>("RL.OVERRIDE SET k ALLOW EX 7200");
    assert_eq!(expires_at(&mut db, "k"), db.override_end("k"));
    db.run::<i64>("RL.REFUND k");
    assert_eq!(expires_at(&mut db, "k"), db.override_end("k"));
    db.run::<()>("RL.OVERRIDE SET k LIMIT 5 1s");
    db.decide("RL.CHECK k 5 1h");
    assert_eq!(expires_at(&mut db, "k"), -1);
    let newest = db.hits("k")[0].0;
    db.run::<i64>("RL.OVERRIDE DEL k");
    assert!(
        (newest + HOUR..=newest + HOUR + MAX_EXPIRY_DELAY_MS).contains(&expires_at(&mut db, "k"))
    );
    db.run::<()>("RL.OVERRIDE SET k ALLOW PX 60000");
    db.run::<i64>("RL.RESET k");
    assert_eq!(expires_at(&mut db, "k"), db.override_end("k"));
}

#[test]
fn the_next_effect_removes_an_ended_override() {
    let server = Server::start();
    let replica = server.start_replica(&[]);
    let mut db = server.connect();
    let now = db.now_ms();
    let units = [(now - 900_000, 3), (now - 500_000, 2), (now + 20_000, 1)];
    let state = |db: &mut Client, key: &str| {
        let dump: Vec<u8> = db.run(["DUMP", key]);
        (db.value_digests(&[key]).remove(0), dump, expires_at(db, key))
    };
    for key_override in ["ALLOW", "DENY", "LIMIT 1 1m 2 2m"] {
        for effect in [
            format!("RL._RECORD {} 2 KEY 3600000", now + 20_001),
            format!("RL._APPLY KEY REFUND {} 2", now + 20_001),
            format!("RL._APPLY KEY SHIFT {}", now + 10_000),
            format!("RL._APPLY KEY OVERRIDE {} DENY~-1", now + 20_000),
        ] {
            db.run::<()>("FLUSHALL");
            for key in ["k", "twin"] {
                db.record(key, HOUR, &units);
            }
            let plain = state(&mut db, "twin");
            assert_eq!(state(&mut db, "k"), plain);
            db.run::<()>(&format!("RL.OVERRIDE SET k {key_override} PX 5"));
            assert_ne!(state(&mut db, "k"), plain);
            wait_for_the_end_of(&mut db, "k");
            assert_eq!(db.get_override("k"), None);
            let peeks = ["k", "twin"].map(|key| db.decide(&format!("RL.PEEK {key} 9 1h")));
            assert_eq!(peeks[0].remaining, peeks[1].remaining);
            assert_eq!((peeks[0].allowed, peeks[0].limit), (true, 9));
            for key in ["k", "twin"] {
                let words: Vec<_> = effect
                    .split(' ')
                    .map(|word| word.replace("KEY", key).replace('~', " "))
                    .collect();
                db.run::<()>(words.as_slice());
            }
            assert_eq!(state(&mut db, "k"), state(&mut db, "twin"), "{key_override}, {effect}");
            assert_same_dataset(&server, &replica);
        }
    }
}

#[test]
fn the_check_rules_apply_again_after_an_override_ends() {
    let (_server, mut db) = started();
    db.decide("RL.CHECK k 5 1h COST 5");
    for key_override in ["ALLOW", "DENY", "LIMIT 100 1h"] {
        db.run::<()>(&format!("RL.OVERRIDE SET k {key_override} PX 40"));
        wait_for_the_end_of(&mut db, "k");
        let decision = db.decide("RL.CHECK k 5 1h");
        assert_eq!((decision.allowed, decision.limit, decision.remaining), (false, 5, 0));
        assert!(decision.retry_after_ms > HOUR - 60_000);
        assert_eq!(db.run::<i64>("RL.OVERRIDE DEL k"), 0);
        assert_eq!(db.get_override("k"), None);
    }
}

#[test]
fn a_reset_of_a_key_whose_override_has_ended_leaves_nothing() {
    let server = Server::start();
    let replica = server.start_replica(&[]);
    let mut db = server.connect();
    db.decide("RL.CHECK k 5 1h");
    db.run::<()>("RL.OVERRIDE SET k DENY PX 5");
    let end = db.override_end("k");
    until("the override has ended", || db.now_ms() > end);
    assert_eq!(db.run::<i64>("RL.RESET k"), 1);
    assert_eq!(db.run::<i64>("EXISTS k"), 0);
    assert_eq!(db.overrides(), Vec::<String>::new());
    assert_same_dataset(&server, &replica);
    assert_eq!(replica.connect().run::<i64>("EXISTS k"), 0);
}

#[test]
fn an_expiry_set_by_a_user_lasts_until_the_next_effect() {
    let (_server, mut db) = started();
    for key_override in ["ALLOW", "ALLOW EX 7200", "ALLOW EX 60"] {
        for user in ["PEXPIRE k 900000", "PERSIST k", "PEXPIRE k 90000000"] {
            db.run::<()>("FLUSHALL");
            db.decide("RL.CHECK k 5 1h COST 2");
            db.run::<()>(&format!("RL.OVERRIDE SET k {key_override}"));
            let due = expires_at(&mut db, "k");
            db.run::<()>(user);
            let set = expires_at(&mut db, "k");
            assert!(db.decide("RL.CHECK k 1 1h").allowed);
            assert_eq!(expires_at(&mut db, "k"), set, "a check under ALLOW has no effect");
            db.run::<i64>("RL.REFUND k");
            let moved = expires_at(&mut db, "k");
            // Units may remain after their window for up to the expiry delay.
            assert!(
                (due - 1000..=due + MAX_EXPIRY_DELAY_MS).contains(&moved),
                "{key_override}, {user}: {moved} for {due}"
            );
        }
    }
}

#[test]
fn a_users_expiry_ends_an_override_with_its_key() {
    let (_server, mut db) = started();
    for key_override in ["DENY", "DENY EX 7200"] {
        db.run::<()>(&format!("RL.OVERRIDE SET k {key_override}"));
        assert!(!db.decide("RL.CHECK k 5 1h").allowed);
        db.run::<()>("PEXPIRE k 20");
        until("the key is gone", || db.run::<i64>("EXISTS k") == 0);
        assert_eq!(db.decide("RL.CHECK k 5 1h").remaining, 4);
        db.run::<()>("DEL k");
    }
    db.run::<()>("RL.OVERRIDE SET k DENY");
    db.run::<()>("SET k v");
    assert!(db.error("RL.CHECK k 5 1h").starts_with("WRONGTYPE"));
    db.run::<()>("DEL k");
    assert_eq!(db.decide("RL.CHECK k 5 1h").remaining, 4);
}

#[test]
fn a_timed_override_on_a_persisted_key_still_ends() {
    let (_server, mut db) = started();
    db.run::<()>("RL.OVERRIDE SET k DENY PX 300");
    assert_eq!(db.run::<i64>("PERSIST k"), 1);
    wait_for_the_end_of(&mut db, "k");
    assert_eq!(db.run::<i64>("EXISTS k"), 1);
    assert_eq!(db.get_override("k"), None);
    assert_eq!(db.run::<redis::Value>("RL.INSPECT k"), redis::Value::Nil);
    assert_eq!(db.overrides(), Vec::<String>::new());
    assert!(db.decide("RL.CHECK k 5 1h").allowed);
    assert!(db.run::<i64>("PTTL k") > 0);
    assert_eq!(db.override_text("k"), "");
}
