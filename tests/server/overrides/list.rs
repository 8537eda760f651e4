//! `RL.OVERRIDE LIST`: every live override of the node, after every kind of event.

use crate::support::{Client, Server, ServerVersion, Stop, until};

const NOTHING: [&str; 0] = [];

fn started() -> (Server, Client) {
    let server = Server::start();
    let db = server.connect();
    (server, db)
}

fn dump(db: &mut Client, key: &str) -> Vec<u8> {
    db.run(["DUMP", key])
}

#[test]
fn a_renamed_key_is_listed_under_its_new_name_only() {
    let (_server, mut db) = started();
    db.run::<()>("RL.OVERRIDE SET a ALLOW");
    db.run::<()>("RL.OVERRIDE SET b DENY");
    db.decide("RL.CHECK plain 5 1h");
    for (command, after) in [
        ("RENAME a c", ["0 b deny", "0 c allow"].as_slice()),
        ("RENAME c c", &["0 b deny", "0 c allow"]),
        ("RENAMENX c b", &["0 b deny", "0 c allow"]),
        ("RENAMENX c a", &["0 a allow", "0 b deny"]),
        ("RENAME b a", &["0 a deny"]),
        ("RENAME plain b", &["0 a deny"]),
        ("RENAME a b", &["0 b deny"]),
        ("MOVE b 3", &["3 b deny"]),
        ("RL.OVERRIDE SET b ALLOW", &["0 b allow", "3 b deny"]),
        ("MOVE b 3", &["0 b allow", "3 b deny"]),
        ("MOVE b 1", &["1 b allow", "3 b deny"]),
    ] {
        db.run::<()>(command);
        assert_eq!(db.overrides(), after, "{command}");
    }
}

#[test]
fn a_copy_is_listed_even_if_it_replaces_a_key() {
    let (_server, mut db) = started();
    db.run::<()>("RL.OVERRIDE SET a ALLOW");
    for (command, after) in [
        ("COPY a b", ["0 a allow", "0 b allow"].as_slice()),
        ("RL.OVERRIDE SET b LIMIT 5 1m", &["0 a allow", "0 b limit 5 60000"]),
        ("COPY a b", &["0 a allow", "0 b limit 5 60000"]),
        ("COPY a b REPLACE", &["0 a allow", "0 b allow"]),
        ("COPY a b DB 2", &["0 a allow", "0 b allow", "2 b allow"]),
        ("RL.OVERRIDE SET a DENY", &["0 a deny", "0 b allow", "2 b allow"]),
        ("COPY a b DB 2 REPLACE", &["0 a deny", "0 b allow", "2 b deny"]),
        ("RL.CHECK plain 5 1h", &["0 a deny", "0 b allow", "2 b deny"]),
        ("COPY plain b REPLACE", &["0 a deny", "2 b deny"]),
        ("COPY plain b DB 2 REPLACE", &["0 a deny"]),
        ("COPY a plain REPLACE", &["0 a deny", "0 plain deny"]),
    ] {
        db.run::<redis::Value>(command);
        assert_eq!(db.overrides(), after, "{command}");
    }
}

#[test]
fn a_key_that_is_gone_is_not_listed() {
    let (_server, mut db) = started();
    db.decide("RL.CHECK plain 5 1h");
    let plain = dump(&mut db, "plain");
    let endings = [
        "DEL k",
        "UNLINK k",
        "SET k v",
        "RL.OVERRIDE DEL k",
        "GEOADD k 1 1 m",
        "PEXPIRE k 0",
        "PEXPIREAT k 1",
        "COPY plain k REPLACE",
        "RENAME plain k",
        "SUNIONSTORE k set",
        "FLUSHDB",
        "FLUSHALL",
        "FLUSHALL ASYNC",
        "SWAPDB 0 1",
    ];
    for ending in endings {
        db.run::<()>("FLUSHALL");
        db.run::<()>("SADD set m");
        db.restore("plain", &plain).expect("the dump is valid");
        db.run::<()>("RL.OVERRIDE SET k ALLOW");
        db.run::<()>("RL.OVERRIDE SET other DENY EX 900");
        db.attempt::<redis::Value>(ending).ok();
        // Stale entries count until a list removes them.
        let counted = db.info_number("rl_overrides");
        let listed = db.overrides();
        assert_eq!(usize::try_from(counted), Ok(listed.len()), "{ending}");
        let is_other = |line: &String| line == "0 other deny";
        match ending {
            "GEOADD k 1 1 m" => assert_eq!(listed, ["0 k allow", "0 other deny"]),
            "SWAPDB 0 1" => assert_eq!(listed, ["1 k allow", "1 other deny"]),
            _ if ending.starts_with("FLUSH") => assert_eq!(listed, NOTHING, "{ending}"),
            _ => assert!(listed.len() == 1 && listed.iter().all(is_other), "{ending}: {listed:?}"),
        }
    }
}

#[test]
fn the_list_follows_flushes_and_swaps_of_databases() {
    let (_server, mut db) = started();
    for (database, key_override) in [(0, "ALLOW"), (1, "DENY"), (2, "LIMIT 5 1m")] {
        db.run::<()>(&format!("SELECT {database}"));
        db.run::<()>(&format!("RL.OVERRIDE SET k {key_override}"));
    }
    for (command, after) in [
        ("SWAPDB 0 1", ["0 k deny", "1 k allow", "2 k limit 5 60000"].as_slice()),
        ("SWAPDB 2 2", &["0 k deny", "1 k allow", "2 k limit 5 60000"]),
        ("SWAPDB 2 9", &["0 k deny", "1 k allow", "9 k limit 5 60000"]),
        ("SELECT 1", &["0 k deny", "1 k allow", "9 k limit 5 60000"]),
        ("FLUSHDB ASYNC", &["0 k deny", "9 k limit 5 60000"]),
        ("FLUSHDB SYNC", &["0 k deny", "9 k limit 5 60000"]),
        ("SWAPDB 0 1", &["1 k deny", "9 k limit 5 60000"]),
        ("FLUSHDB", &["9 k limit 5 60000"]),
        ("FLUSHALL ASYNC", &[]),
    ] {
        db.run::<()>(command);
        assert_eq!(db.overrides(), after, "{command}");
    }
}

#[test]
fn a_restored_override_is_listed_even_if_it_replaces_a_key() {
    let (_server, mut db) = started();
    db.run::<()>("RL.OVERRIDE SET a ALLOW");
    let key_override = dump(&mut db, "a");
    db.decide("RL.CHECK plain 5 1h");
    let plain = dump(&mut db, "plain");
    let past = &b"1"[..];
    let corrupt = [
        &key_override[..key_override.len() - 11],
        b"\x01",
        &key_override[key_override.len() - 10..],
    ]
    .concat();
    db.run::<()>("DEBUG SET-SKIP-CHECKSUM-VALIDATION 1");

    let mut restore = |ttl: &[u8], payload: &[u8], more: &[&[u8]]| {
        let words = [&[&b"RESTORE"[..], b"k", ttl, payload], more].concat();
        (db.attempt::<()>(words.as_slice()).is_ok(), db.overrides())
    };
    let (with, without) = (["0 a allow", "0 k allow"], ["0 a allow"]);
    let mut assert_lists = |ttl: &[u8], payload: &[u8], more: &[&[u8]], ok, list: &[&str]| {
        let (accepted, listed) = restore(ttl, payload, more);
        assert_eq!(accepted, ok, "{more:?}");
        assert_eq!(listed, list, "{more:?}");
    };
    assert_lists(past, &key_override, &[b"ABSTTL"], true, &without);
    assert_lists(b"0", &corrupt, &[], false, &without);
    assert_lists(b"0", &key_override, &[], true, &with);
    assert_lists(b"0", &key_override, &[], false, &with);
    assert_lists(b"0", &corrupt, &[b"REPLACE"], false, &with);
    assert_lists(b"0", &key_override, &[b"REPLACE"], true, &with);
    assert_lists(b"900000", &key_override, &[b"REPLACE"], true, &with);
    assert_lists(b"0", &plain, &[b"REPLACE"], true, &without);
    assert_lists(b"0", &key_override, &[b"REPLACE"], true, &with);
    assert_lists(past, &key_override, &[b"REPLACE", b"ABSTTL"], true, &without);
}

#[test]
fn ended_overrides_and_expired_keys_are_not_listed() {
    for active in [0, 1] {
        let (_server, mut db) = started();
        db.run::<()>(&format!("DEBUG SET-ACTIVE-EXPIRE {active}"));
        db.decide("RL.CHECK used 5 1h");
        db.run::<()>("RL.OVERRIDE SET stays ALLOW");
        for key in ["used", "unused"] {
            db.run::<()>(&format!("RL.OVERRIDE SET {key} DENY PX 1500"));
        }
        db.run::<()>("RL.OVERRIDE SET cut ALLOW");
        db.run::<()>("PEXPIRE cut 1500");
        let all = ["0 cut allow", "0 stays allow", "0 unused deny", "0 used deny"];
        assert_eq!(db.overrides(), all);
        let end = db.run::<i64>("PEXPIRETIME cut").max(db.override_end("used"));
        until("the overrides have ended", || db.now_ms() > end);
        assert_eq!(db.overrides(), ["0 stays allow"], "active expiry: {active}");
        assert_eq!(db.run::<i64>("EXISTS used unused cut"), 1);
        // The key can get another override.
        db.run::<()>("RL.OVERRIDE SET used ALLOW");
        assert_eq!(db.overrides(), ["0 stays allow", "0 used allow"]);
    }
}

#[test]
fn the_list_is_the_same_after_a_restart_and_a_reload() {
    for lines in [
        ["appendonly no", "appendfsync always", "aof-use-rdb-preamble yes"],
        ["appendonly yes", "appendfsync always", "aof-use-rdb-preamble yes"],
        ["appendonly yes", "appendfsync always", "aof-use-rdb-preamble no"],
    ] {
        let mut server = Server::with(&lines);
        let mut db = server.connect();
        db.run::<()>("RL.OVERRIDE SET a ALLOW");
        db.decide("RL.CHECK b 5 1h");
        db.run::<()>("RL.OVERRIDE SET b DENY EX 3600");
        db.run::<()>("RL.OVERRIDE SET gone ALLOW");
        db.run::<()>("RL.OVERRIDE DEL gone");
        db.run::<()>("SELECT 9");
        db.run::<()>("RL.OVERRIDE SET c LIMIT 5 1m 6 2m");
        let list = ["0 a allow", "0 b deny", "9 c limit 5 60000 6 120000"];
        assert_eq!(db.overrides(), list);
        db.run::<()>("DEBUG RELOAD");
        assert_eq!(db.overrides(), list, "{lines:?}");
        if lines[0] == "appendonly yes" {
            db.run::<()>("DEBUG LOADAOF");
            assert_eq!(db.overrides(), list, "{lines:?}");
            db.run::<()>("RENAME c d");
            db.run::<()>("COPY d e");
            db.wait_for_aof();
            server.restart(Stop::Kill);
            let list = ["0 a allow", "0 b deny"];
            let moved = ["9 d limit 5 60000 6 120000", "9 e limit 5 60000 6 120000"];
            let mut db = server.connect();
            assert_eq!(db.overrides(), [list, moved].concat(), "replayed, {lines:?}");
            db.run::<()>("BGREWRITEAOF");
            db.wait_for_aof();
            server.restart(Stop::Kill);
            assert_eq!(server.connect().overrides(), [list, moved].concat(), "{lines:?}");
        } else {
            server.restart(Stop::Save);
            assert_eq!(server.connect().overrides(), list);
        }
    }
}

#[test]
fn a_snapshot_merged_into_the_dataset_keeps_the_list() {
    let (_server, mut db) = started();
    db.run::<()>("RL.OVERRIDE SET a ALLOW");
    db.run::<()>("RL.OVERRIDE SET b DENY EX 3600");
    db.run::<()>("SAVE");
    db.run::<()>("RL.OVERRIDE SET a DENY");
    db.run::<()>("RL.OVERRIDE SET c ALLOW");
    db.run::<()>("DEBUG RELOAD NOSAVE NOFLUSH MERGE");
    assert_eq!(db.overrides(), ["0 a allow", "0 b deny", "0 c allow"]);
    assert_eq!(db.info_number("rl_overrides"), 3);
}

#[test]
fn payloads_that_have_expired_leave_nothing() {
    let (_server, mut db) = started();
    db.run::<()>("RL.OVERRIDE SET k ALLOW");
    let key_override = dump(&mut db, "k");
    db.run::<()>("DEL k");
    for key in 0..100 {
        let name = format!("gone:{key}");
        let words = [b"RESTORE", name.as_bytes(), b"1", &key_override[..], b"ABSTTL"];
        db.run::<()>(words);
    }
    assert_eq!((db.info_number("rl_overrides"), db.run::<i64>("DBSIZE")), (0, 0));
}

#[test]
fn a_key_that_only_seems_to_have_expired_is_listed_again() {
    let (server, mut db) = started();
    if !matches!(server.server_version(), ServerVersion::Valkey { .. }) {
        println!("skipped: this server has no import mode");
        return;
    }
    db.run::<()>("CONFIG SET import-mode yes");
    db.run::<()>("CLIENT IMPORT-SOURCE ON");
    db.run::<()>("RL.OVERRIDE SET k ALLOW");
    let now = db.now_ms();
    db.run::<i64>(&format!("PEXPIREAT k {}", now + 50));
    let mut client = server.connect();
    until("the key has expired", || client.run::<i64>("EXISTS k") == 0);
    assert_eq!(client.overrides(), NOTHING);
    assert_eq!(db.run::<i64>("PERSIST k"), 1);
    assert_eq!(client.overrides(), ["0 k allow"]);
}

#[test]
fn an_evicted_override_is_not_listed() {
    let (_server, mut db) = started();
    db.run::<()>("CONFIG SET maxmemory-policy allkeys-random");
    for key in 0..500 {
        db.run::<()>(&format!("RL.OVERRIDE SET k{key} ALLOW"));
    }
    // The overrides take some 150 kB: about half of them must go.
    let used = db.info_number("used_memory");
    db.run::<()>(&format!("CONFIG SET maxmemory {}", used - 75_000));
    until("overrides are evicted", || {
        db.attempt::<()>("SET filler x").ok();
        db.info_number("evicted_keys") >= 100
    });
    db.run::<()>("CONFIG SET maxmemory 0");
    let mut remaining: Vec<String> = db.run("KEYS k*");
    assert!((1..=400).contains(&remaining.len()), "{} of 500 remain", remaining.len());
    remaining.sort();
    let remaining: Vec<_> = remaining.iter().map(|key| format!("0 {key} allow")).collect();
    assert_eq!(db.overrides(), remaining);
}
