//! `RL._APPLY`, the internal command of the replication stream.

use redis::Value;

use crate::support::{Client, Server, assert_same_dataset, dataset};

const NOW: &str = "1700000000000";

#[test]
fn every_malformed_effect_is_refused_by_name_and_changes_nothing() {
    let server = Server::start();
    let mut db = server.connect();
    db.decide("RL.CHECK k 5 1h");
    let before = db.digest();
    for (effect, named) in [
        ("FOO", "FOO"),
        ("RECORD x 1 60000", "x"),
        ("RECORD -1 1 60000", "-1"),
        ("RECORD 1.5 1 60000", "1.5"),
        ("RECORD 01 1 60000", "01"),
        ("RECORD 99999999999999999999 1 60000", "99999999999999999999"),
        ("RECORD 9223372036854775807 1 60000", "9223372036854775807"),
        ("RECORD 1700000000000 x 60000", "x"),
        ("RECORD 1700000000000 0 60000", "0"),
        ("RECORD 1700000000000 -1 60000", "-1"),
        ("RECORD 1700000000000 4294967296 60000", "4294967296"),
        ("RECORD 1700000000000 1 x", "x"),
        ("RECORD 1700000000000 1 0", "0"),
        ("RECORD 1700000000000 1 -1", "-1"),
        ("RECORD 1700000000000 1 99999999999999", "99999999999999"),
        ("SHIFT x", "x"),
        ("SHIFT -1", "-1"),
        ("REFUND x 1", "x"),
        ("REFUND 1700000000000 0", "0"),
        ("REFUND 1700000000000 x", "x"),
    ] {
        for key in ["k", "missing"] {
            let error = db.error(&format!("RL._APPLY {key} {effect}"));
            assert!(error.starts_with("ERR "), "{effect}: {error}");
            assert!(error.contains(&format!("'{named}'")), "{effect}: {error}");
        }
    }
    for effect in [
        "RECORD",
        "RECORD 1700000000000",
        "RECORD 1700000000000 1",
        "RECORD 1700000000000 1 60000 1",
        "SHIFT",
        "SHIFT 1700000000000 1",
        "REFUND",
        "REFUND 1700000000000",
        "REFUND 1700000000000 1 1",
        "RESET 1",
        "LOAD",
        "LOAD a b",
    ] {
        for key in ["k", "missing"] {
            let error = db.error(&format!("RL._APPLY {key} {effect}"));
            assert!(error.starts_with("ERR "), "{effect}: {error}");
        }
    }
    assert_eq!(db.digest(), before);
}

#[test]
fn a_payload_that_is_no_log_is_not_loaded() {
    let server = Server::start();
    let mut db = server.connect();
    db.decide("RL.CHECK k 5 1h");
    let before = db.digest();
    let payloads: [&[u8]; 6] = [b"", b"\0", b"\x01", b"\xff", &[0; 1000], &[0xff; 1000]];
    for payload in payloads {
        for key in [&b"k"[..], b"missing"] {
            let error = db.error([b"RL._APPLY", key, b"LOAD", payload]);
            assert!(error.starts_with("ERR "), "{error}");
        }
    }
    assert_eq!(db.digest(), before);
}

#[test]
fn an_effect_on_another_type_is_refused() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("SET k v");
    for effect in
        ["RECORD 1700000000000 1 60000", "SHIFT 1700000000000", "REFUND 1700000000000 1", "RESET"]
    {
        assert_eq!(
            db.error(&format!("RL._APPLY k {effect}")),
            "WRONGTYPE Operation against a key holding the wrong kind of value"
        );
    }
}

/// The same value as the one that the effects built.
#[track_caller]
fn assert_value(db: &mut Client, hits: &[(i64, i64)]) {
    assert_eq!(db.hits("k"), hits);
}

#[test]
fn effects_do_what_they_say() {
    let server = Server::start();
    let mut db = server.connect();
    let now = db.now_ms();
    let (older, newer) = (now - 50_000, now - 20_000);
    db.record("k", 3_600_000, &[(older, 4), (newer, 3)]);
    assert_value(&mut db, &[(newer, 3), (older, 4)]);
    db.run::<()>(&format!("RL._APPLY k REFUND {now} 5"));
    assert_value(&mut db, &[(older, 2)]);
    let earlier = older - 7000;
    db.run::<()>(&format!("RL._APPLY k SHIFT {earlier}"));
    assert_value(&mut db, &[(earlier, 2)]);
    db.run::<()>("RL._APPLY k RESET");
    assert_eq!(db.run::<i64>("EXISTS k"), 0);
}

#[test]
fn an_effect_in_lower_case_is_the_same_effect() {
    let server = Server::start();
    let mut db = server.connect();
    let now = db.now_ms();
    db.run::<()>(&format!("rl._apply k record {now} 2 60000"));
    assert_eq!(db.hits("k"), [(now, 2)]);
}

#[test]
fn effects_on_a_missing_key_that_take_away_leave_it_missing() {
    let server = Server::start();
    let mut db = server.connect();
    for effect in ["SHIFT", "REFUND"] {
        let more = if effect == "REFUND" { " 3" } else { "" };
        db.attempt::<Value>(&format!("RL._APPLY k {effect} {NOW}{more}")).ok();
    }
    db.attempt::<Value>("RL._APPLY k RESET").ok();
    assert_eq!(db.run::<i64>("EXISTS k"), 0);
}

#[test]
fn effects_that_are_sent_by_hand_replicate_and_dirty_the_dataset() {
    let server = Server::start();
    let replica = server.start_replica(&[]);
    let mut db = server.connect();
    let before = db.info_number("rdb_changes_since_last_save");
    let now = db.now_ms();
    db.record("k", 3_600_000, &[(now - 5000, 4), (now - 100, 3)]);
    db.record("l", 3_600_000, &[(now - 5000, 4)]);
    db.run::<()>(&format!("RL._APPLY k REFUND {now} 1"));
    db.run::<()>(&format!("RL._APPLY k SHIFT {}", now - 200));
    db.run::<()>("RL._APPLY l RESET");
    assert!(db.info_number("rdb_changes_since_last_save") >= before + 6);
    assert_same_dataset(&server, &replica);
    assert_eq!(replica.connect().units("k"), 6);
}

#[test]
fn a_record_in_the_distant_past_leaves_nothing_immortal() {
    let server = Server::start();
    let mut db = server.connect();
    db.record("k", 60_000, &[(1, 5), (1_600_000_000_000, 5)]);
    assert_eq!(db.run::<i64>("EXISTS k"), 0);
    assert_eq!(db.run::<i64>("PTTL k"), -2);
    assert!(dataset(&mut db).is_empty());
}

#[test]
fn the_same_effects_make_the_same_value() {
    let server = Server::start();
    let mut db = server.connect();
    let now = db.now_ms();
    let hits: Vec<_> = (0..700).map(|step| (now - 90_000 + step * 97, 1 + step % 3)).collect();
    for key in ["a", "b"] {
        db.record(key, 3_600_000, &hits);
        db.run::<()>(&format!("RL._APPLY {key} REFUND {now} 77"));
        db.record(key, 7_200_000, &[(now, 9)]);
    }
    let digests = db.value_digests(&["a", "b"]);
    assert_eq!(digests[0], digests[1]);
    let dumps = ["a", "b"].map(|key| db.run::<Vec<u8>>(["DUMP", key]));
    assert_eq!(dumps[0], dumps[1]);
}
