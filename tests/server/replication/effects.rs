//! `RL._RECORD` and `RL._APPLY`, the internal commands of the replication stream.

use redis::Value;

use crate::support::{Client, Server, assert_same_dataset, dataset, payload};

/// Asserts that the value equals the one that the effects built.
#[track_caller]
fn assert_value(db: &mut Client, hits: &[(i64, i64)]) {
    assert_eq!(db.hits("k"), hits);
}

#[test]
fn effects_have_their_documented_results() {
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
fn a_record_of_several_keys_equals_one_for_each() {
    let server = Server::start();
    let mut db = server.connect();
    let now = db.now_ms();
    db.run::<()>(&format!("RL._RECORD {now} 2 a 60000 b 3600000 a 7200000"));
    db.record("c", 7_200_000, &[(now, 2), (now, 2)]);
    db.record("d", 3_600_000, &[(now, 2)]);
    let digests = db.value_digests(&["a", "b", "c", "d"]);
    assert_eq!(digests[..2], digests[2..]);
    let expiries: Vec<i64> =
        ["a", "b", "c", "d"].iter().map(|key| db.run(["PEXPIRETIME", key])).collect();
    assert_eq!(expiries[..2], expiries[2..]);
}

#[test]
fn an_override_effect_sets_and_removes_the_override() {
    let server = Server::start();
    let mut db = server.connect();
    let now = db.now_ms();
    let mut key_override = |text: &str| {
        db.run::<()>(["RL._APPLY", "k", "OVERRIDE", &now.to_string(), text]);
        db.run::<Vec<Value>>("RL.OVERRIDE GET k").into_iter().skip(1).step_by(2).collect::<Vec<_>>()
    };
    let word = |text: &str| Value::BulkString(text.into());
    let rule = |limit, window| Value::Array(vec![Value::Int(limit), Value::Int(window)]);
    let never = || Value::Int(-1);
    assert_eq!(key_override("ALLOW -1"), [word("allow"), Value::Array(vec![]), never()]);
    let rules = Value::Array(vec![rule(10, 1000), rule(4_294_967_295, 60_000)]);
    assert_eq!(
        key_override("LIMIT -1 10 1000ms 4294967295 60000ms"),
        [word("limit"), rules, never()]
    );
    let denied = key_override(&format!("DENY {}", now + 3_600_000));
    assert!(matches!(denied[2], Value::Int(3_500_000..=3_600_000)), "{denied:?}");
    // An effect removes an ended override, and also the key if nothing else is stored.
    assert_eq!(key_override(&format!("DENY {}", now - 1)), []);
    assert_eq!(key_override(""), []);
    assert_eq!(db.run::<i64>("DBSIZE"), 0);
}

#[test]
fn a_load_replaces_the_whole_value() {
    let server = Server::start();
    let mut db = server.connect();
    db.decide("RL.CHECK whole 5 1h COST 3");
    db.run::<()>("RL.OVERRIDE SET whole LIMIT 9 1d");
    let dump: Vec<u8> = db.run("DUMP whole");
    let [log, key_override] = payload::texts(&dump);
    db.run::<()>("RL.OVERRIDE SET k DENY");
    for (log, key_override) in [(log, key_override), (log, b""), (b"", key_override)] {
        db.decide("RL.CHECK k 5 1h");
        db.run::<()>([&b"RL._APPLY"[..], b"k", b"load", log, key_override]);
        let dump: Vec<u8> = db.run("DUMP k");
        assert_eq!(payload::texts(&dump), [log, key_override]);
        assert_eq!(db.units("k"), if log.is_empty() { 0 } else { 3 });
    }
    db.run::<()>([&b"RL._APPLY"[..], b"k", b"LOAD", log, key_override]);
    let digests = db.value_digests(&["whole", "k"]);
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn an_effect_in_lower_case_is_the_same_effect() {
    let server = Server::start();
    let mut db = server.connect();
    let now = db.now_ms();
    db.run::<()>(&format!("rl._record {now} 2 k 60000"));
    db.run::<()>(&format!("rl._apply k refund {now} 1"));
    assert_eq!(db.hits("k"), [(now, 1)]);
}

#[test]
fn effects_that_remove_do_not_create_a_key() {
    let server = Server::start();
    let mut db = server.connect();
    for effect in
        ["SHIFT 1700000000000", "REFUND 1700000000000 3", "RESET", "OVERRIDE 1700000000000 "]
    {
        let words: Vec<_> = format!("RL._APPLY k {effect}").split(' ').map(Into::into).collect();
        db.run::<()>(words);
    }
    assert_eq!(db.run::<i64>("EXISTS k"), 0);
}

#[test]
fn effects_sent_by_a_client_replicate_and_count_as_changes() {
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
fn a_record_in_the_distant_past_leaves_no_persistent_key() {
    let server = Server::start();
    let mut db = server.connect();
    db.record("k", 60_000, &[(1, 5), (1_600_000_000_000, 5)]);
    assert_eq!(db.run::<i64>("EXISTS k"), 0);
    assert_eq!(db.run::<i64>("PTTL k"), -2);
    assert!(dataset(&mut db).is_empty());
}

#[test]
fn the_same_effects_build_the_same_value() {
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
