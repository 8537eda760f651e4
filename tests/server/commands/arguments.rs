//! Limits, windows and costs: the accepted values, and the exact errors.

use redis::Value;

use crate::support::{Client, Server};

const NOT_WHOLE: [&[u8]; 17] = [
    b"",
    b"-0",
    b"-1",
    b"+5",
    b"05",
    b"00",
    b"1.5",
    b"1e3",
    b"0x10",
    b" 5",
    b"5 ",
    b"5\0",
    b"1000001",
    b"18446744073709551617",
    b"99999999999999999999999999999999",
    b"abc",
    b"\xd9\xa3\xff",
];

const NOT_WINDOWS: [&[u8]; 29] = [
    b"",
    b"0",
    b"0s",
    b"-5",
    b"+5",
    b"05",
    b"1.5s",
    b" 5",
    b"5 ",
    b"5 s",
    b"s",
    b"ms",
    b"5x",
    b"5S",
    b"5MS",
    b"5W",
    b"5y",
    b"5ss",
    b"5sm",
    b"5m30s",
    b"53w",
    b"367d",
    b"8785h",
    b"527041m",
    b"31622401",
    b"31622400001ms",
    b"18446744073709551616",
    b"9223372036854775807d",
    b"\xff\xfe5s",
];

/// Asserts that each call returns the error and changes neither the key nor the dataset.
#[track_caller]
fn assert_rejected(db: &mut Client, words: &[&[u8]], expected: &str) {
    let before = (db.digest(), db.info("rdb_changes_since_last_save"));
    assert_eq!(db.error(words), expected);
    let after = (db.digest(), db.info("rdb_changes_since_last_save"));
    assert_eq!(after, before, "{expected} changed something");
}

#[test]
fn an_invalid_limit_is_named_and_changes_nothing() {
    let server = Server::start();
    let mut db = server.connect();
    db.decide("RL.CHECK used 5 60");
    for limit in NOT_WHOLE {
        let text = limit.escape_ascii();
        let expected = format!("ERR limit '{text}' is not an integer from 0 to 1000000");
        for command in [b"RL.CHECK", &b"RL.PEEK"[..]] {
            for key in [&b"used"[..], b"missing"] {
                assert_rejected(&mut db, &[command, key, limit, b"60"], &expected);
            }
        }
    }
}

#[test]
fn an_invalid_window_is_named_and_changes_nothing() {
    let server = Server::start();
    let mut db = server.connect();
    db.decide("RL.CHECK used 5 60");
    for window in NOT_WINDOWS {
        let expected = format!(
            "ERR window '{}' is not a positive integer with a unit of ms, s, m, h, d or w \
             (none means seconds), at most 366d",
            window.escape_ascii()
        );
        for command in [b"RL.CHECK", &b"RL.PEEK"[..]] {
            for key in [&b"used"[..], b"missing"] {
                assert_rejected(&mut db, &[command, key, b"5", window], &expected);
            }
        }
    }
}

#[test]
fn an_invalid_cost_is_named_and_changes_nothing() {
    let server = Server::start();
    let mut db = server.connect();
    db.decide("RL.CHECK used 5 60");
    for cost in NOT_WHOLE.into_iter().chain([&b"0"[..]]) {
        let text = cost.escape_ascii();
        let expected = format!("ERR cost '{text}' is not an integer from 1 to 1000000");
        for key in [&b"used"[..], b"missing"] {
            for command in [b"RL.CHECK", &b"RL.PEEK"[..]] {
                let words = [command, key, b"5", b"60", b"COST", cost];
                assert_rejected(&mut db, &words, &expected);
            }
            assert_rejected(&mut db, &[b"RL.REFUND", key, b"COST", cost], &expected);
        }
    }
}

#[test]
fn an_invalid_count_is_named() {
    let server = Server::start();
    let mut db = server.connect();
    db.decide("RL.CHECK used 5 60");
    let counts: [&[u8]; 8] = [b"", b"0", b"-1", b"+1", b"01", b"1.5", b"x", b"10001"];
    for count in counts {
        let text = count.escape_ascii();
        let expected = format!("ERR count '{text}' is not an integer from 1 to 10000");
        let words = [b"RL.HITS", &b"used"[..], b"COUNT", count];
        assert_rejected(&mut db, &words, &expected);
    }
    assert_eq!(db.run::<Vec<Value>>("RL.HITS used COUNT 10000").len(), 1);
}

#[test]
fn the_second_rule_has_the_same_grammar_as_the_first() {
    let server = Server::start();
    let mut db = server.connect();
    assert_eq!(
        db.error("RL.CHECK k 5 60 5x 60"),
        "ERR limit '5x' is not an integer from 0 to 1000000"
    );
    for limit in ["+5", "-5", ".5", "00", "1000001"] {
        assert_eq!(
            db.error(["RL.CHECK", "k", "5", "60", limit, "60"]),
            format!("ERR limit '{limit}' is not an integer from 0 to 1000000")
        );
    }
    assert_eq!(
        db.error("RL.CHECK k 5 60 5 60x"),
        "ERR window '60x' is not a positive integer with a unit of ms, s, m, h, d or w \
         (none means seconds), at most 366d"
    );
    assert_eq!(db.run::<i64>("EXISTS k"), 0);
}

#[test]
fn a_long_argument_is_truncated_in_the_error() {
    let server = Server::start();
    let mut db = server.connect();
    let long = vec![b'a'; 1_000_000];
    assert_eq!(
        db.error([&b"RL.CHECK"[..], b"k", &long, b"60"]),
        format!("ERR limit '{}...' is not an integer from 0 to 1000000", "a".repeat(64))
    );
    let reply = server.connect_raw().exchange(&[b"RL.CHECK", b"k", b"5\r\n+OK\r\n", b"60"]);
    assert_eq!(
        reply.escape_ascii().to_string(),
        r"-ERR limit \'5\\r\\n+OK\\r\\n\' is not an integer from 0 to 1000000\r\n"
    );
}

#[test]
fn every_unit_is_accepted_up_to_the_bound() {
    let server = Server::start();
    let mut db = server.connect();
    for (window, window_ms) in [
        ("1", 1000),
        ("1ms", 1),
        ("1s", 1000),
        ("1m", 60_000),
        ("1h", 3_600_000),
        ("1d", 86_400_000),
        ("1w", 604_800_000),
        ("52w", 31_449_600_000),
        ("31622400", 31_622_400_000),
        ("31622400000ms", 31_622_400_000),
        ("31622400s", 31_622_400_000),
        ("527040m", 31_622_400_000),
        ("8784h", 31_622_400_000),
        ("366d", 31_622_400_000),
    ] {
        let peek = db.decide(&format!("RL.PEEK k 1000000 {window}"));
        assert_eq!((peek.limit, peek.window_ms), (1_000_000, window_ms));
        let check = db.decide(&format!("RL.CHECK used:{window} 1 {window}"));
        assert!(check.allowed);
        assert_eq!(check.reset_after_ms, window_ms);
    }
}
