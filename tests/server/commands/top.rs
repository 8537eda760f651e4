//! `RL.TOP`: the keys with the most checks and denials.
//!
//! All counts are halved at the end of each minute. Tests that depend on the order therefore begin early in a
//! minute, and counts are compared as bounds.

use std::cmp::Reverse;
use std::collections::HashMap;

use redis::Value;

use crate::support::{Client, Random, Server, until};

const KEYS: usize = 100_000;
const CHECKS: usize = 500_000;
const LIMIT: i64 = 1_000;

/// Starts a server and a client early in a minute of the server's clock.
fn early_in_a_minute() -> (Server, Client) {
    let server = Server::start();
    let mut db = server.connect();
    until("a minute begins", || db.now_ms() % 60_000 < 50_000);
    (server, db)
}

fn top(db: &mut Client, arguments: &str) -> Vec<(String, i64)> {
    db.run(&format!("RL.TOP {arguments}"))
}

fn names(db: &mut Client, arguments: &str) -> Vec<String> {
    top(db, arguments).into_iter().map(|(name, _)| name).collect()
}

/// Sends commands without waiting for their replies, then waits until the server has run them all.
fn pour(server: &Server, commands: impl Iterator<Item = String>) {
    let mut raw = server.connect_raw();
    raw.send(b"CLIENT REPLY OFF\r\n");
    let mut part = String::new();
    for command in commands {
        part += &command;
        part += "\r\n";
        if part.len() > 100_000 {
            raw.send(part.as_bytes());
            part.clear();
        }
    }
    raw.send(part.as_bytes());
    raw.send(b"CLIENT REPLY ON\r\n");
    raw.receive_until(b"+OK\r\n");
}

/// Checks `key` a number of times, which must be large enough that the count survives a few halvings.
fn check(server: &Server, key: &str, times: usize) {
    pour(server, (0..times).map(|_| format!("RL.CHECK {key} 1000000 1h")));
}

/// Returns ranks, each drawn with a probability proportional to its inverse.
fn zipf(count: usize) -> Vec<usize> {
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..=u32::try_from(KEYS).expect("a rank fits"))
        .map(|rank| {
            sum += 1.0 / f64::from(rank);
            sum
        })
        .collect();
    let mut random = Random::seeded(8);
    let mut rank = || {
        let part = u32::try_from(random.next() >> 32).expect("the upper half fits in 32 bits");
        let drawn = sum * f64::from(part) / 2f64.powi(32);
        sums.partition_point(|&up_to| up_to < drawn)
    };
    (0..count).map(|_| rank()).collect()
}

/// Returns the ten largest of the true counts.
fn ten(counts: &HashMap<usize, i64>) -> Vec<(String, i64)> {
    let mut counts: Vec<_> =
        counts.iter().map(|(rank, count)| (format!("key:{rank}"), *count)).collect();
    counts.sort_by_key(|(name, count)| (Reverse(*count), name.clone()));
    counts.truncate(10);
    counts
}

#[test]
fn the_ten_heaviest_of_a_hundred_thousand_keys_are_found() {
    let ranks = zipf(CHECKS);
    let (server, mut db) = early_in_a_minute();
    pour(&server, ranks.iter().map(|rank| format!("RL.CHECK key:{rank} {LIMIT} 1h")));
    let mut checked = HashMap::<usize, i64>::new();
    for rank in ranks {
        *checked.entry(rank).or_default() += 1;
    }
    let denied = checked.iter().map(|(&rank, &count)| (rank, (count - LIMIT).max(0))).collect();
    for (ranking, truth) in [("CHECKED", ten(&checked)), ("DENIED", ten(&denied))] {
        let found = top(&mut db, ranking);
        let sorted = |keys: &[(String, i64)]| {
            let mut names: Vec<_> = keys.iter().map(|(name, _)| name.clone()).collect();
            names.sort();
            names
        };
        assert_eq!(sorted(&found), sorted(&truth), "{ranking}: {found:?} {truth:?}");
        let truth: HashMap<_, _> = truth.into_iter().collect();
        for (name, count) in &found {
            assert!(
                (1..=truth[name]).contains(count),
                "{ranking} {name}: {count} of {}",
                truth[name]
            );
        }
        assert!(found.is_sorted_by_key(|(_, count)| Reverse(*count)), "{found:?}");
        let all = top(&mut db, &format!("{ranking} COUNT 1000"));
        assert_eq!(all[..10], found);
        assert!(all.len() <= 64, "{}", all.len());
    }
}

#[test]
fn checks_and_denials_are_ranked_separately() {
    let (server, mut db) = early_in_a_minute();
    db.run::<()>("RL.POLICY SET trial SHADOW 1 1h");
    db.run::<()>("RL.OVERRIDE SET barred DENY");
    let mut commands = vec!["RL.CHECK free 1000000 1h"; 300];
    commands.extend(["RL.CHECK full 1 1h COST 2"; 200]);
    commands.extend(["RL.CHECK shadowed POLICY trial"; 100]);
    commands.extend(["RL.MCHECK 1 several 1000000 1h barred 1000000 1h"; 50]);
    commands.extend(["RL.PEEK peeked 1 1h"; 400]);
    pour(&server, commands.into_iter().map(str::to_owned));
    let checked = names(&mut db, "CHECKED");
    assert_eq!(checked, ["free", "full", "shadowed", "barred", "several"]);
    assert_eq!(names(&mut db, "denied"), ["full", "barred"]);
    let heaviest = top(&mut db, "CHECKED COUNT 1");
    assert!(heaviest[0].1 <= 300, "{heaviest:?}");
}

#[test]
fn count_bounds_the_reply() {
    let (server, mut db) = early_in_a_minute();
    assert_eq!(top(&mut db, "CHECKED"), []);
    for key in 0..12 {
        check(&server, &format!("key:{key}"), 400 - 30 * key);
    }
    let all = names(&mut db, "CHECKED COUNT 1000");
    assert_eq!(all, (0..12).map(|key| format!("key:{key}")).collect::<Vec<_>>());
    assert_eq!(names(&mut db, "CHECKED"), all[..10]);
    for count in [1, 3, 12] {
        assert_eq!(names(&mut db, &format!("Checked count {count}")), all[..count]);
    }
    assert_eq!(top(&mut db, "DENIED"), []);
}

#[test]
fn binary_key_names_are_returned_unchanged() {
    let server = Server::start();
    let mut db = server.connect();
    let name = b"\0\r\n\xff";
    for _ in 0..100 {
        db.decide([&b"RL.CHECK"[..], name, b"1000", b"1h"]);
    }
    let found: Vec<(Vec<u8>, i64)> = db.run("RL.TOP CHECKED");
    assert_eq!(found[0].0, name);
}

#[test]
fn top_k_bounds_the_tracked_keys_and_zero_disables_tracking() {
    let (server, mut db) = early_in_a_minute();
    let fill = || {
        for key in 0..8 {
            check(&server, &format!("key:{key}"), 400 - 40 * key);
        }
    };
    fill();
    let size = |db: &mut Client| db.info_number("rl_monitor_bytes");
    let usual = size(&mut db);
    db.run::<()>("CONFIG SET rl.top-k 0");
    fill();
    for ranking in ["CHECKED", "DENIED"] {
        assert_eq!(top(&mut db, ranking), []);
    }
    assert!(size(&mut db) < usual / 10, "{usual} then {}", size(&mut db));
    assert!(db.info_number("rl_checks") > 4_000, "the server still counts");
    // A change of the number clears the list.
    for (k, listed) in [("3", 3), ("5", 5), ("1000", 8), ("1", 1)] {
        db.run::<()>(&format!("CONFIG SET rl.top-k {k}"));
        assert_eq!(top(&mut db, "CHECKED"), [], "{k}");
        fill();
        assert_eq!(names(&mut db, "CHECKED COUNT 1000").len(), listed);
        assert_eq!(names(&mut db, "CHECKED")[0], "key:0", "{k}");
    }
}

#[test]
fn long_names_are_shortened_and_stay_distinguishable() {
    const NAMES: usize = 64;
    const LENGTH: usize = 60_000;
    let (server, mut db) = early_in_a_minute();
    let used = db.info_number("used_memory");
    let start = "x".repeat(LENGTH - 2);
    // Denied checks create no keys.
    let checks = |number: usize| {
        let name = format!("{start}{number:02}");
        std::iter::repeat_n(format!("RL.CHECK {name} 1 1h COST 2"), 4 + number % 2)
    };
    pour(&server, (0..NAMES).flat_map(checks));
    for ranking in ["DENIED", "CHECKED"] {
        let found = top(&mut db, &format!("{ranking} COUNT 1000"));
        let distinct: std::collections::HashSet<_> = found.iter().map(|(name, _)| name).collect();
        assert_eq!((found.len(), distinct.len()), (NAMES, NAMES), "{ranking}");
        for (name, count) in found {
            let hash = name.strip_prefix(&format!("{}...[60000 bytes, ", &start[..256]));
            let hash = hash.and_then(|rest| rest.strip_suffix(']'));
            assert!(hash.is_some_and(|hash| u64::from_str_radix(hash, 16).is_ok()), "{name}");
            assert!((1..=5).contains(&count), "{count}");
        }
    }
    let bytes = db.info_number("rl_monitor_bytes");
    assert!((60_000..80_000).contains(&bytes), "{bytes}");
    let grown = db.info_number("used_memory") - used;
    assert!(grown < 3_000_000, "the server uses {grown} bytes more");
}

#[test]
fn names_are_freed_at_once() {
    let (server, mut db) = early_in_a_minute();
    let size = |db: &mut Client| db.info_number("rl_monitor_bytes");
    let empty = size(&mut db);
    let fill = || {
        check(&server, "a", 100);
        pour(&server, std::iter::repeat_n("RL.CHECK b 1 1h COST 2".to_owned(), 100));
    };
    for commands in [
        &["FLUSHALL"][..],
        &["FLUSHALL ASYNC"],
        &["DEBUG RELOAD"],
        &["RL.STATS RESET"],
        &["CONFIG SET rl.top-k 0"],
        &["CONFIG SET rl.top-k 0", "CONFIG SET rl.top-k 64"],
        &["CONFIG SET rl.top-k 65"],
    ] {
        db.run::<()>("CONFIG SET rl.top-k 64");
        fill();
        assert_eq!((names(&mut db, "CHECKED").len(), names(&mut db, "DENIED").len()), (2, 1));
        assert!(size(&mut db) > empty + 10_000);
        for command in commands {
            db.run::<Value>(*command);
        }
        assert_eq!(size(&mut db), empty, "{commands:?}");
        for ranking in ["CHECKED", "DENIED"] {
            assert_eq!(names(&mut db, ranking), [""; 0], "{commands:?}");
        }
    }
}

#[test]
fn names_stay_if_nothing_removes_all_of_them() {
    let (server, mut db) = early_in_a_minute();
    check(&server, "a", 100);
    db.run::<()>("FLUSHDB");
    db.run::<()>("CONFIG SET rl.top-k 64");
    db.error("CONFIG SET rl.top-k 0 maxmemory-policy none");
    db.error("CONFIG SET rl.top-k 1001");
    db.run::<Value>("RL.STATS");
    assert_eq!(names(&mut db, "CHECKED"), ["a"]);
}

#[test]
fn a_wrong_call_is_an_error() {
    let server = Server::start();
    let mut db = server.connect();
    let count = |given: &str| {
        format!("ERR count '{given}' is not an integer from 1 to 9223372036854775807")
    };
    for (arguments, expected) in [
        ("FOO", "ERR unknown keyword 'FOO'".to_owned()),
        ("5", "ERR unknown keyword '5'".to_owned()),
        ("COUNT 5", "ERR unknown keyword 'COUNT'".to_owned()),
        ("DENIED 5", "ERR unknown keyword '5'".to_owned()),
        ("DENIED CHECKED", "ERR unknown keyword 'CHECKED'".to_owned()),
        ("DENIED COUNT", "ERR COUNT has no value".to_owned()),
        ("DENIED COUNT 5 COUNT 5", "ERR COUNT is given twice".to_owned()),
        ("DENIED COUNT 5 6", "ERR unexpected argument '6'".to_owned()),
        ("DENIED COUNT 0", count("0")),
        ("DENIED COUNT -1", count("-1")),
        ("DENIED COUNT x", count("x")),
        ("DENIED COUNT 99999999999999999999", count("99999999999999999999")),
    ] {
        assert_eq!(db.error(&format!("RL.TOP {arguments}")), expected, "{arguments}");
    }
    assert_eq!(db.run::<Value>("RL.TOP DENIED COUNT 9223372036854775807"), Value::Array(vec![]));
}
