//! A log is a key like any other. It may have any name, be in any database, and be copied, moved and dumped.

use redis::Value;

use crate::support::{Client, Server};

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";

/// Creates a log of some size and returns its digest and its expiry.
fn make(db: &mut Client, key: &str) -> (String, i64) {
    let now = db.now_ms();
    let hits: Vec<_> = (0..400).map(|step| (now - 500_000 + 1000 * step, 1 + step % 5)).collect();
    db.record(key, 3_600_000, &hits);
    state(db, key)
}

fn state(db: &mut Client, key: &str) -> (String, i64) {
    let digest = db.value_digests(&[key]).remove(0);
    (digest, db.run(["PEXPIRETIME", key]))
}

#[test]
fn a_log_has_a_type_of_its_own() {
    let server = Server::start();
    let mut db = server.connect();
    db.decide("RL.CHECK k 5 60");
    assert_eq!(db.run::<String>("TYPE k"), "ratelog_t");
    let (_, found): (String, Vec<String>) = db.run("SCAN 0 TYPE ratelog_t COUNT 100");
    assert_eq!(found, ["k"]);
}

#[test]
fn keys_may_be_any_bytes() {
    let server = Server::start();
    let mut db = server.connect();
    let all_bytes: Vec<u8> = (0..=255).collect();
    let long = vec![b'x'; 100_000];
    let keys: [&[u8]; 7] = [b"", b"\0", b"a\0b", b"\r\n", b"\xff\xfe", &all_bytes, &long];
    for key in keys {
        assert_eq!(db.decide([b"RL.CHECK", key, b"5", b"60"]).remaining, 4);
        assert_eq!(db.decide([b"RL.PEEK", key, b"5", b"60"]).remaining, 4);
        assert_eq!(db.run::<Vec<Value>>([b"RL.HITS", key]).len(), 1);
        assert_eq!(db.run::<Vec<Value>>([b"RL.INSPECT", key])[1], Value::Int(1));
        assert_eq!(db.run::<i64>([b"EXISTS", key]), 1);
    }
    assert_eq!(db.run::<usize>("DBSIZE"), keys.len());
    for key in keys {
        assert_eq!(db.run::<i64>([b"RL.REFUND", key]), 1);
        assert_eq!(db.run::<i64>([b"RL.RESET", key]), 0);
    }
    assert_eq!(db.run::<i64>("DBSIZE"), 0);
}

#[test]
fn keys_of_other_types_are_rejected_and_unchanged() {
    let server = Server::start();
    let mut db = server.connect();
    for make in [
        "SET other v",
        "SET other 5",
        "RPUSH other v",
        "SADD other v",
        "ZADD other 1 v",
        "HSET other f v",
        "XADD other * f v",
    ] {
        db.run::<()>("DEL other");
        db.run::<Value>(make);
        let before = db.digest();
        for command in [
            "RL.CHECK other 5 60",
            "RL.CHECK other 5 60 COST 9",
            "RL.PEEK other 5 60",
            "RL.REFUND other",
            "RL.RESET other",
            "RL.INSPECT other",
            "RL.HITS other",
        ] {
            assert_eq!(db.error(command), WRONG_TYPE, "{command} after {make}");
        }
        assert_eq!(db.digest(), before);
    }
}

#[test]
fn commands_for_other_types_reject_a_log_and_set_replaces_it() {
    let server = Server::start();
    let mut db = server.connect();
    db.decide("RL.CHECK k 5 60");
    for command in ["GET k", "INCR k", "LPUSH k v", "ZADD k 1 v", "HGETALL k"] {
        assert_eq!(db.error(command), WRONG_TYPE);
    }
    db.run::<()>("SET k v");
    assert_eq!(db.error("RL.CHECK k 5 60"), WRONG_TYPE);
}

#[test]
fn a_copy_is_equal_and_independent() {
    let server = Server::start();
    let mut db = server.connect();
    let original = make(&mut db, "k");
    assert_eq!(db.run::<i64>("COPY k l"), 1);
    assert_eq!(state(&mut db, "l"), original);
    db.decide("RL.CHECK l 1000000 1h COST 500");
    db.run::<i64>("RL.REFUND l COST 700");
    assert_eq!(state(&mut db, "k"), original);
    assert_eq!(db.run::<i64>("COPY k k DB 1"), 1);
    db.run::<()>("DEL k");
    db.run::<()>("SELECT 1");
    assert_eq!(state(&mut db, "k"), original);
}

#[test]
fn a_renamed_key_keeps_its_log() {
    let server = Server::start();
    let mut db = server.connect();
    let original = make(&mut db, "k");
    db.run::<()>("RENAME k l");
    assert_eq!(db.run::<i64>("EXISTS k"), 0);
    assert_eq!(state(&mut db, "l"), original);
    make(&mut db, "m");
    db.run::<()>("RENAME l m");
    assert_eq!(state(&mut db, "m"), original);
}

#[test]
fn databases_are_independent_and_move_and_swapdb_keep_units() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("SELECT 1");
    let original = make(&mut db, "k");
    db.run::<()>("SELECT 0");
    assert_eq!(db.decide("RL.PEEK k 5 1h").remaining, 5);
    db.run::<()>("SWAPDB 0 1");
    assert_eq!(state(&mut db, "k"), original);
    assert_eq!(db.run::<i64>("MOVE k 3"), 1);
    assert_eq!(db.decide("RL.PEEK k 5 1h").remaining, 5);
    db.run::<()>("SELECT 3");
    assert_eq!(state(&mut db, "k"), original);
    assert!(!db.decide("RL.CHECK k 5 1h").allowed);
}

#[test]
fn a_dump_restores_to_the_same_value_on_any_server() {
    let server = Server::start();
    let mut db = server.connect();
    let original = make(&mut db, "k");
    let dump: Vec<u8> = db.run("DUMP k");
    let expires_at = original.1.to_string();
    let other = Server::start();
    for target in [&server, &other] {
        let mut db = target.connect();
        let expires_at = expires_at.as_bytes();
        db.run::<()>([&b"RESTORE"[..], b"l", expires_at, &dump, b"ABSTTL"]);
        assert_eq!(state(&mut db, "l"), original);
        assert_eq!(db.run::<Vec<u8>>("DUMP l"), dump);
    }
}

#[test]
fn migrate_carries_a_log_to_another_server() {
    let (server, other) = (Server::start(), Server::start());
    let (mut db, mut there) = (server.connect(), other.connect());
    let (digest, expires_at) = make(&mut db, "k");
    let port = other.port();
    db.run::<()>(&format!("MIGRATE 127.0.0.1 {port} k 0 5000"));
    assert_eq!(db.run::<i64>("EXISTS k"), 0);
    let arrived = state(&mut there, "k");
    assert_eq!(arrived.0, digest);
    assert!((arrived.1 - expires_at).abs() < 1000);
}

#[test]
fn digests_are_equal_if_and_only_if_values_are() {
    let server = Server::start();
    let mut db = server.connect();
    let now = db.now_ms();
    db.record("a", 3_600_000, &[(now, 2)]);
    db.record("b", 3_600_000, &[(now, 2)]);
    db.record("c", 3_600_000, &[(now, 3)]);
    db.record("d", 3_600_000, &[(now - 1, 2)]);
    db.record("e", 7_200_000, &[(now, 2)]);
    let digests = db.value_digests(&["a", "b", "c", "d", "e"]);
    assert_eq!(digests[0], digests[1]);
    for other in &digests[2..] {
        assert_ne!(&digests[0], other);
    }
}
