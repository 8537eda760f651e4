//! Hostile values with overrides. No `RESTORE` payload crashes the server, and every value that loads is valid.

use redis::Value;

use crate::persistence::corrupt::{mutate, rejected};
use crate::support::payload::{HEADER, body, seal};
use crate::support::{Client, Random, Server, until};

const MUTATIONS: usize = 6000;

/// Returns dumps of values with overrides, with and without units.
fn dumps(db: &mut Client) -> Vec<Vec<u8>> {
    let now = db.now_ms();
    let wide = format!("LIMIT{}", " 1000000 366d 7 1ms".repeat(8));
    let mut dumps = Vec::new();
    for key_override in
        ["ALLOW", "DENY EX 7200", "LIMIT 5 1m", "LIMIT 10 1s 100 1m 5000 1d PX 90000", &wide]
    {
        for hits in [0, 1, 40] {
            db.run::<()>("DEL k");
            let hits: Vec<_> = (0..hits).map(|step| (now - 70_000 + 1009 * step, 1)).collect();
            if !hits.is_empty() {
                db.record("k", 31_622_400_000, &hits);
            }
            db.run::<()>(&format!("RL.OVERRIDE SET k {key_override}"));
            dumps.push(db.run("DUMP k"));
        }
    }
    db.run::<()>("DEL k");
    dumps
}

/// Returns a sealed dump of a value with this override and without units.
fn dump_of(text: &[u8], pattern: &[u8]) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a test's text is short").to_be_bytes();
    let length = match text.len() {
        0..64 => vec![length[1]],
        _ => vec![0x40 | length[0], length[1]],
    };
    seal(&[&pattern[..HEADER], b"\x05\0\x05", &length, text, b"\0"].concat(), pattern)
}

/// Runs every command on a loaded value.
fn use_value(db: &mut Client, key: &str) {
    let digest = db.value_digests(&[key]);
    let dump: Vec<u8> = db.run(["DUMP", key]);
    db.restore("again", &dump).expect("the dump is valid");
    assert_eq!(db.run::<Vec<u8>>("DUMP again"), dump, "{key}");
    assert_eq!(db.value_digests(&["again"]), digest);
    assert_eq!(db.get_override("again").is_some(), db.get_override(key).is_some());
    db.run::<Value>(["RL.INSPECT", key]);
    let usage: i64 = db.run(["MEMORY", "USAGE", key]);
    assert!(usage < 1_000_000, "{key} takes {usage} bytes");
    for command in ["RL.PEEK again 5 1h", "RL.CHECK again 5 1h", "RL.CHECK again 9 1d 7 1m COST 3"]
    {
        db.decide(command);
    }
    db.run::<i64>("RL.REFUND again COST 2");
    db.run::<i64>("RL.RESET again");
    db.run::<i64>("RL.OVERRIDE DEL again");
    db.run::<i64>("RL.RESET again");
    assert_eq!(db.run::<i64>("EXISTS again"), 0, "{}", dump.escape_ascii());
}

#[test]
fn no_mutation_of_a_dump_with_an_override_crashes_the_server() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("DEBUG SET-SKIP-CHECKSUM-VALIDATION 1");
    let dumps = dumps(&mut db);
    let bodies: Vec<_> = dumps.iter().map(|dump| body(dump).to_vec()).collect();
    let mut random = Random::seeded(21);
    let (mut loaded, mut listed) = (0, 0);
    for _ in 0..MUTATIONS {
        let payload = seal(&mutate(&mut random, &bodies), &dumps[0]);
        let key = format!("loaded:{}", loaded % 200);
        let restored = db.restore(&key, &payload);
        if restored.is_ok() {
            use_value(&mut db, &key);
            loaded += 1;
        } else {
            assert_eq!(restored, rejected());
        }
        if loaded % 50 == 1 {
            listed = db.overrides().len();
        }
    }
    println!("{loaded} of {MUTATIONS} mutations were values, {listed} of them on the list");
    assert!(loaded > 0 && listed > 0);
    let before = (db.digest(), db.overrides());
    db.run::<()>("DEBUG RELOAD");
    assert_eq!((db.digest(), db.overrides()), before);
}

#[test]
fn a_second_spelling_of_an_override_is_rejected() {
    let server = Server::start();
    let mut db = server.connect();
    let pattern = dumps(&mut db).remove(0);
    let end = db.now_ms() + 900_000;
    for text in ["ALLOW -1", "DENY -1", "LIMIT -1 5 60000ms", &format!("DENY {end}")] {
        let dump = dump_of(text.as_bytes(), &pattern);
        db.restore("k", &dump).expect(text);
        assert_eq!(db.override_text("k"), text);
        assert_eq!(db.run::<Vec<u8>>("DUMP k"), dump);
        db.run::<()>("DEL k");
    }
    let seventeen = format!("LIMIT -1{}", " 5 1000ms".repeat(17));
    let long = format!("ALLOW {}", "9".repeat(9000));
    for text in [
        "",
        " ",
        "ALLOW",
        "allow -1",
        "Allow -1",
        " ALLOW -1",
        "ALLOW -1 ",
        "ALLOW  -1",
        "ALLOW\t-1",
        "ALLOW -1\0",
        "ALLOW -01",
        "ALLOW -2",
        "ALLOW +1",
        "ALLOW 007",
        "ALLOW 1e3",
        "ALLOW 18446744073709551616",
        "ALLOW 9223372036854775807",
        "ALLOW -1 5 1000ms",
        "DENY -1 DENY -1",
        "PASS -1",
        "LIMIT -1",
        "LIMIT -1 5",
        "LIMIT -1 5 1000",
        "LIMIT -1 5 1s",
        "LIMIT -1 05 1000ms",
        "LIMIT -1 5 01000ms",
        "LIMIT -1 5 1000MS",
        "LIMIT -1 5 1000ms 5",
        "LIMIT -1 00 1000ms",
        "LIMIT -1 5 0ms",
        "LIMIT -1 4294967296 1000ms",
        "LIMIT -1 5 99999999999999999999ms",
        &seventeen,
        &long,
    ] {
        assert_eq!(db.restore("k", &dump_of(text.as_bytes(), &pattern)), rejected(), "{text:?}");
        assert!(db.error(["RL._APPLY", "k", "LOAD", "", text]).starts_with("ERR"), "{text:?}");
        if !text.is_empty() {
            let error = db.error(["RL._APPLY", "k", "OVERRIDE", "1700000000000", text]);
            assert!(error.starts_with("ERR"), "{text:?}: {error}");
        }
    }
    assert_eq!(db.run::<i64>("DBSIZE"), 0);
    assert_eq!(db.overrides(), Vec::<String>::new());
    until("the reason is logged", || server.log().contains("a value was rejected"));
}

#[test]
fn a_truncated_dump_with_an_override_is_rejected_at_every_length() {
    let server = Server::start();
    let mut db = server.connect();
    for dump in dumps(&mut db) {
        let whole = body(&dump);
        for end in HEADER..whole.len() {
            // With and without the opcode that ends a module's value.
            for tail in [&b""[..], b"\0"] {
                if whole[..end].len() + tail.len() == whole.len() {
                    continue;
                }
                let cut = seal(&[&whole[..end], tail].concat(), &dump);
                let restored = db.restore("k", &cut);
                assert!(restored == rejected() || tail.is_empty(), "cut at {end}: {restored:?}");
                if restored.is_ok() {
                    // The cut log ended in the version that follows it.
                    use_value(&mut db, "k");
                    db.run::<()>("DEL k");
                }
            }
        }
    }
    assert_eq!(db.run::<i64>("DBSIZE"), 0);
}
