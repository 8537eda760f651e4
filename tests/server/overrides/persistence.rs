//! Overrides in dumps, snapshots, append-only files and on replicas, compared bit for bit.

use std::io::Write;

use crate::support::{
    Client, Random, Server, Stop, assert_same_dataset, dataset, until, wait_until_in_step,
};

const KEYS: [&str; 7] = ["allow", "deny", "limit", "wide", "used", "over", "plain"];

/// Sets overrides of every kind, on keys with and without units.
fn fill(db: &mut Client) {
    let now = db.now_ms();
    for key in ["limit", "used", "over", "plain"] {
        let hits: Vec<_> =
            (0..300).map(|step| (now - 400_000 + 997 * step, 1 + step % 3)).collect();
        db.record(key, 3_600_000, &hits);
    }
    let wide = format!("LIMIT{}", " 1000000 366d 7 1ms".repeat(8));
    for (key, key_override) in [
        ("allow", "ALLOW"),
        ("deny", "DENY EX 316224000"),
        ("limit", "LIMIT 5 1m 77 2h"),
        ("wide", &wide),
        ("used", "ALLOW EX 7200"),
        ("over", "DENY PX 1"),
    ] {
        db.run::<()>(&format!("RL.OVERRIDE SET {key} {key_override}"));
    }
    let end = db.override_end("over");
    until("one override has ended", || db.now_ms() >= end);
}

/// Returns the digest, the expiry and the override without its remaining time.
fn state(db: &mut Client, key: &str) -> (String, i64, Option<String>) {
    let digest = db.value_digests(&[key]).remove(0);
    (
        digest,
        db.run(["PEXPIRETIME", key]),
        db.get_override(key).map(|key_override| key_override.to_string()),
    )
}

fn states(db: &mut Client) -> Vec<(String, i64, Option<String>)> {
    KEYS.iter().map(|key| state(db, key)).collect()
}

/// Returns the whole dataset, its digest and the list of overrides.
fn everything(db: &mut Client) -> (impl PartialEq + std::fmt::Debug + use<>, String, Vec<String>) {
    (dataset(db), db.digest(), db.overrides())
}

#[test]
fn a_dump_with_an_override_restores_to_the_same_value_on_any_server() {
    let (server, other) = (Server::start(), Server::start());
    let mut db = server.connect();
    fill(&mut db);
    for key in KEYS {
        let original = state(&mut db, key);
        let dump: Vec<u8> = db.run(["DUMP", key]);
        let expires_at = original.1.max(0).to_string();
        for target in [&server, &other] {
            let mut there = target.connect();
            let words =
                [b"RESTORE", &b"back"[..], expires_at.as_bytes(), &dump, b"ABSTTL", b"REPLACE"];
            there.run::<()>(words);
            assert_eq!(state(&mut there, "back"), original, "{key}");
            assert_eq!(there.run::<Vec<u8>>("DUMP back"), dump, "{key}");
        }
    }
}

#[test]
fn a_copied_override_is_equal_and_independent() {
    let server = Server::start();
    let mut db = server.connect();
    fill(&mut db);
    for key in KEYS {
        let original = state(&mut db, key);
        db.run::<()>(&format!("COPY {key} copy REPLACE"));
        assert_eq!(state(&mut db, "copy"), original, "{key}");
        db.run::<()>("RL.OVERRIDE SET copy DENY PX 5000");
        assert_eq!(state(&mut db, key), original, "{key}");
        db.run::<()>(&format!("COPY {key} {key} DB 5 REPLACE"));
        db.run::<()>("SELECT 5");
        assert_eq!(state(&mut db, key), original, "{key}");
        db.run::<()>("SELECT 0");
    }
}

#[test]
fn migrate_carries_overrides_to_another_server_and_both_list_them_at_once() {
    let (server, other) = (Server::start(), Server::start());
    let (mut db, mut there) = (server.connect(), other.connect());
    fill(&mut db);
    there.run::<()>("RL.OVERRIDE SET deny ALLOW");
    let before = states(&mut db);
    let list = db.overrides();
    let port = other.port();
    let keys = KEYS.join(" ");
    // An empty second argument means that a list of keys follows.
    db.run::<()>(&format!("MIGRATE 127.0.0.1 {port}  0 5000 COPY REPLACE KEYS {keys}"));
    assert_eq!(there.overrides(), list);
    assert_eq!(db.overrides(), list);
    for (key, (digest, expires_at, key_override)) in KEYS.iter().zip(before) {
        let arrived = state(&mut there, key);
        assert_eq!((arrived.0, arrived.2), (digest, key_override), "{key}");
        assert!((arrived.1 - expires_at).abs() < 1000, "{key}");
        db.run::<()>(&format!("MIGRATE 127.0.0.1 {port} {key} 1 5000"));
    }
    assert_eq!(db.overrides(), Vec::<String>::new());
    let twice = there.overrides();
    assert_eq!(twice.len(), 2 * list.len(), "{twice:?}");
}

#[test]
fn snapshots_store_overrides_bit_for_bit() {
    let mut server = Server::start();
    let mut db = server.connect();
    fill(&mut db);
    db.run::<()>("SELECT 1");
    fill(&mut db);
    let before = everything(&mut db);
    assert_eq!(before.2.len(), 10);
    db.run::<()>("DEBUG RELOAD");
    assert_eq!(everything(&mut db), before);
    server.restart(Stop::Save);
    assert_eq!(everything(&mut server.connect()), before);
}

#[test]
fn append_only_files_store_overrides_bit_for_bit() {
    for preamble in ["yes", "no"] {
        let preamble = format!("aof-use-rdb-preamble {preamble}");
        let mut server = Server::with(&["appendonly yes", "appendfsync always", &preamble]);
        let mut db = server.connect();
        db.wait_for_aof();
        fill(&mut db);
        db.run::<()>("RL.OVERRIDE SET plain DENY");
        db.run::<()>("RL.OVERRIDE DEL plain");
        let before = everything(&mut db);
        server.restart(Stop::Kill);
        let mut db = server.connect();
        assert_eq!(everything(&mut db), before, "replayed, {preamble}");
        db.run::<()>("BGREWRITEAOF");
        db.wait_for_aof();
        server.restart(Stop::Kill);
        assert_eq!(everything(&mut server.connect()), before, "rewritten, {preamble}");
    }
}

#[test]
fn an_override_that_ended_before_the_aof_is_replayed_is_removed() {
    let mut server = Server::with(&["appendonly yes", "appendfsync always"]);
    let now = server.connect().now_ms();
    server.stop(Stop::NoSave);
    let old = now - 7_200_000;
    let files =
        std::fs::read_dir(server.path("appendonlydir")).expect("the AOF's directory exists");
    let mut names = files.map(|file| file.expect("the directory can be read").path());
    let tail = names
        .find(|name| name.to_string_lossy().ends_with(".incr.aof"))
        .expect("the AOF has a tail");
    let mut file =
        std::fs::OpenOptions::new().append(true).open(tail).expect("the AOF can be opened");
    for words in [
        vec!["SELECT".to_owned(), "0".to_owned()],
        key_override("gone", old, &format!("DENY {}", old + 1000)),
        key_override("used", old, &format!("LIMIT {} 1 1000ms", old + 1000)),
        ["RL._RECORD", &now.to_string(), "2", "used", "3600000"].map(str::to_owned).into(),
        key_override("later", old, "ALLOW -1"),
        key_override("later", old + 5, &format!("DENY {}", now + 600_000)),
    ] {
        let words: String =
            words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
        let count = words.matches('$').count();
        write!(file, "*{count}\r\n{words}").expect("the AOF can be written");
    }
    server.start_again();
    let mut db = server.connect();
    assert_eq!(db.overrides(), ["0 later deny"]);
    assert_eq!(db.run::<i64>("PEXPIRETIME later"), now + 600_000);
    assert_eq!(db.override_text("used"), "");
    assert_eq!(db.units("used"), 2);
    assert_eq!(db.decide("RL.PEEK gone 5 1h").remaining, 5);
    until("only live keys are left", || db.run::<i64>("DBSIZE") == 2);
}

fn key_override(key: &str, instant: i64, text: &str) -> Vec<String> {
    ["RL._APPLY", key, "OVERRIDE", &instant.to_string(), text].map(str::to_owned).into()
}

/// Applies random effects to a few keys whose overrides end all the time.
fn stir(db: &mut Client, random: &mut Random, steps: usize) {
    for _ in 0..steps {
        let key = format!("k{}", random.below(5));
        let action = *random.pick(&["ALLOW", "DENY", "LIMIT 3 20ms", "LIMIT 9 1h 2 5ms"]);
        let command = match random.below(10) {
            0..3 => format!("RL.CHECK {key} 40 1h 4 7ms"),
            3 => format!("RL.CHECK {key} 9 15ms COST 3"),
            4 => format!("RL.OVERRIDE SET {key} {action}"),
            5 | 6 => format!("RL.OVERRIDE SET {key} {action} PX {}", 1 + random.below(30)),
            7 => format!("RL.OVERRIDE DEL {key}"),
            8 => format!("RL.REFUND {key} COST {}", 1 + random.below(4)),
            _ if random.below(3) == 0 => format!("COPY {key} copy:{key} REPLACE"),
            _ => format!("RL.RESET {key}"),
        };
        db.run::<redis::Value>(&command);
    }
}

#[test]
fn short_overrides_are_equal_on_a_replica_and_in_the_aof() {
    let mut server = Server::with(&["appendonly yes", "appendfsync always"]);
    let replica = server.start_replica(&[]);
    let mut db = server.connect();
    let mut random = Random::seeded(11);
    for _ in 0..10 {
        stir(&mut db, &mut random, 200);
        wait_until_in_step(&server, &replica);
        let now = db.now_ms();
        for key in 0..5 {
            for name in [format!("k{key}"), format!("copy:k{key}")] {
                db.record(&name, 3_600_000, &[(now, 1)]);
            }
        }
        assert_same_dataset(&server, &replica);
    }
    let lasting = |db: &mut Client| {
        let end = db.now_ms() + 40;
        until("the short overrides have ended", || db.now_ms() >= end);
        (everything(db), db.run::<i64>("DBSIZE"))
    };
    let before = lasting(&mut db);
    assert_eq!(lasting(&mut replica.connect()), before);
    server.restart(Stop::Kill);
    assert_eq!(lasting(&mut server.connect()), before);
}
