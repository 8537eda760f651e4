//! Hostile values. No `RESTORE` payload crashes the server, and every value that loads is valid.

use std::time::{Duration, Instant};

use redis::Value;

use crate::support::payload::{HEADER, body, seal};
use crate::support::{Client, Random, Server, scaled_timeout, until};

const MUTATIONS: usize = 20_000;
const LONGEST_RUN: Duration = Duration::from_secs(5);

pub fn rejected() -> Result<(), String> {
    Err("ERR Bad data format".to_owned())
}

/// Returns dumps of logs of several shapes.
fn dumps(db: &mut Client) -> Vec<Vec<u8>> {
    let now = db.now_ms();
    let make = |count: i64, step: i64, units: i64| -> Vec<(i64, i64)> {
        let hit = |place: i64| (now - (count - place) * step, 1 + place % units);
        (0..count).map(hit).collect()
    };
    let shapes = [
        make(1, 1, 1),
        make(3, 700, 9),
        make(10, 60_000, 1),
        make(200, 13, 3),
        make(2500, 977, 2),
        vec![(now - 5000, 1_000_000), (now, 1_000_000)],
        vec![(now - 31_000_000_000, 1), (now, 2)],
        vec![(now + 3_600_000, 7)],
    ];
    let mut dump = |hits: &Vec<(i64, i64)>| {
        db.run::<()>("DEL k");
        db.record("k", 31_622_400_000, hits);
        db.run("DUMP k")
    };
    let dumps = shapes.iter().map(&mut dump).collect();
    db.run::<()>("FLUSHALL");
    dumps
}

/// Returns a real body after one or a few changes: bits, bytes, cuts, repetitions or splices.
pub fn mutate(random: &mut Random, bodies: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = random.pick(bodies).clone();
    for _ in 0..=random.below(3) {
        if bytes.len() <= HEADER + 1 {
            return bytes;
        }
        let place = HEADER + random.below(bytes.len() - HEADER);
        match random.below(8) {
            0 | 1 => bytes[place] ^= 1 << random.below(8),
            2 => bytes[place] = *random.pick(&[0, 1, 2, 5, 0x40, 0x7f, 0x80, 0x81, 0xff]),
            3 => bytes[place] = u8::try_from(random.below(256)).expect("a byte"),
            4 => {
                let end = place + random.below(bytes.len() - place + 1);
                bytes.drain(place..end);
            }
            5 => {
                let end = place + random.below((bytes.len() - place).min(20) + 1);
                let repeated = bytes[place..end].to_vec();
                bytes.splice(place..place, repeated);
            }
            6 => {
                let extreme = random.pick(&[u64::MAX, 1 << 63, 1 << 32, 1 << 20, 1_000_001]);
                let number = extreme.to_be_bytes();
                bytes.splice(place..place, number);
                bytes.insert(place, 0x81);
            }
            _ => {
                let other = random.pick(bodies);
                let from = HEADER + random.below(other.len() - HEADER);
                bytes.truncate(place);
                bytes.extend_from_slice(&other[from..]);
            }
        }
    }
    bytes
}

/// Runs every command on a loaded log.
fn use_log(db: &mut Client, key: &str) {
    db.run::<Value>(["RL.INSPECT", key]);
    db.run::<Value>(["RL.HITS", key]);
    let usage: i64 = db.run(["MEMORY", "USAGE", key]);
    assert!(usage < 1_000_000, "{key} takes {usage} bytes");
    db.decide(["RL.PEEK", key, "5", "1h", "1000000", "366d"]);
    let dump: Vec<u8> = db.run(["DUMP", key]);
    db.restore("again", &dump).expect("the dump is valid");
    assert_eq!(db.run::<Vec<u8>>("DUMP again"), dump, "{key}");
    db.decide(["RL.CHECK", "again", "1000000", "1h", "7", "1m"]);
    db.run::<i64>("RL.REFUND again COST 3");
    db.decide(["RL.CHECK", "again", "5", "366d", "COST", "2"]);
    db.run::<i64>("RL.RESET again");
    assert_eq!(db.run::<i64>("EXISTS again"), 0);
}

#[test]
fn no_mutation_of_a_dump_crashes_the_server() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("DEBUG SET-SKIP-CHECKSUM-VALIDATION 1");
    let dumps = dumps(&mut db);
    let bodies: Vec<_> = dumps.iter().map(|dump| body(dump).to_vec()).collect();
    let mut random = Random::seeded(2);
    let deadline = Instant::now() + scaled_timeout(LONGEST_RUN);
    let mut loaded = 0;
    for _ in 0..MUTATIONS {
        let payload = seal(&mutate(&mut random, &bodies), &dumps[0]);
        let key = format!("loaded:{}", loaded % 500);
        let restored = db.restore(&key, &payload);
        if restored.is_ok() {
            use_log(&mut db, &key);
            loaded += 1;
        } else {
            assert_eq!(restored, rejected());
        }
        if Instant::now() > deadline {
            break;
        }
    }
    println!("{loaded} of at most {MUTATIONS} mutations were values");
    let before = db.digest();
    db.run::<()>("DEBUG RELOAD");
    assert_eq!(db.digest(), before);
    db.run::<()>("FLUSHALL SYNC");
    until("the memory is freed", || db.info_number("used_memory") < 20_000_000);
}

#[test]
fn a_truncated_dump_is_rejected_at_every_length() {
    let server = Server::start();
    let mut db = server.connect();
    for dump in dumps(&mut db) {
        let whole = body(&dump);
        assert_eq!(seal(whole, &dump), dump, "the checksum is the server's");
        let stride = 1 + whole.len() / 400;
        // A log that is cut by fewer bytes may end in the version that follows it, and be complete.
        let last = whole.len() - 4;
        for end in (HEADER..=last).step_by(stride) {
            // With and without the opcode that ends a module's value.
            for tail in [&b""[..], b"\0"] {
                let cut = seal(&[&whole[..end], tail].concat(), &dump);
                assert_eq!(db.restore("k", &cut), rejected(), "cut at {end}");
            }
        }
        db.restore("k", &dump).expect("the dump is valid");
        db.run::<()>("DEL k");
    }
    assert_eq!(db.run::<i64>("DBSIZE"), 0);
}

#[test]
fn a_value_of_a_newer_encoding_is_rejected_with_a_message() {
    let server = Server::start();
    let mut db = server.connect();
    for dump in dumps(&mut db) {
        let mut newer = body(&dump).to_vec();
        // The last ten bits of the type's ID are the version of its encoding.
        newer[HEADER - 1] += 1;
        assert_eq!(db.restore("k", &seal(&newer, &dump)), rejected());
    }
    until("the reason is logged", || server.log().contains("encoding"));
}

#[test]
fn a_log_without_units_is_rejected() {
    let server = Server::start();
    let mut db = server.connect();
    let dump = dumps(&mut db).remove(0);
    let empty = [&dump[..HEADER], b"\x05\0\0"].concat();
    assert_eq!(db.restore("k", &seal(&empty, &dump)), rejected());
    db.decide("RL.CHECK k 5 1h");
    assert!(db.error(["RL._APPLY", "k", "LOAD", "", ""]).starts_with("ERR"));
    assert_eq!(db.units("k"), 1);
}

#[test]
fn a_dump_of_another_type_does_not_become_a_log() {
    let server = Server::start();
    let mut db = server.connect();
    let dump = dumps(&mut db).remove(2);
    let mut random = Random::seeded(3);
    for _ in 0..2000 {
        let mut bytes = body(&dump).to_vec();
        // Change a byte of the type ID, which also names the module, so that no such type exists.
        let place = 1 + random.below(HEADER - 2);
        bytes[place] ^= 1 << random.below(8);
        assert_eq!(db.restore("k", &seal(&bytes, &dump)), rejected());
    }
    assert_eq!(db.run::<i64>("DBSIZE"), 0);
}

#[test]
fn trailing_garbage_is_rejected() {
    let server = Server::start();
    let mut db = server.connect();
    for dump in dumps(&mut db) {
        let whole = body(&dump);
        let (log, end) = whole.split_at(whole.len() - 1);
        for garbage in [&b"\x02\x05"[..], b"\x05\x01x", b"\x01\x01"] {
            let longer = seal(&[log, garbage, end].concat(), &dump);
            assert_eq!(db.restore("k", &longer), rejected());
        }
    }
}
