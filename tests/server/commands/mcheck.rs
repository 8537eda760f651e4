//! `RL.MCHECK`: several keys, recorded all or nothing.

use redis::Value;

use crate::support::{Client, Decision, Server, until};

const HOUR: i64 = 3_600_000;

fn allowed(decisions: &[Decision]) -> Vec<bool> {
    decisions.iter().map(|decision| decision.allowed).collect()
}

fn remaining(decisions: &[Decision]) -> Vec<i64> {
    decisions.iter().map(|decision| decision.remaining).collect()
}

fn units<const N: usize>(db: &mut Client, keys: [&str; N]) -> [i64; N] {
    keys.map(|key| db.units(key))
}

#[test]
fn every_key_records_its_units_or_none_does() {
    let server = Server::start();
    let mut db = server.connect();
    let first = db.decide_all("RL.MCHECK 2 a 5 1h b 3 30m c 9 2h");
    let expected = [(5, 3, HOUR), (3, 1, HOUR / 2), (9, 7, 2 * HOUR)];
    for (decision, (limit, remaining, window_ms)) in first.iter().zip(expected) {
        let (retry_after_ms, reset_after_ms) = (0, window_ms);
        let all =
            Decision { allowed: true, limit, remaining, retry_after_ms, reset_after_ms, window_ms };
        assert_eq!(*decision, all);
    }
    assert_eq!((first.len(), units(&mut db, ["a", "b", "c"])), (3, [2, 2, 2]));

    // The logs of a and c have room. Their decisions report the logs before recording.
    let second = db.decide_all("RL.MCHECK 2 a 5 1h b 3 30m c 9 2h new 5 1h");
    assert_eq!(allowed(&second), [true, false, true, true]);
    assert_eq!(remaining(&second), [3, 1, 7, 5]);
    let waits: Vec<_> = second.iter().map(|decision| decision.retry_after_ms).collect();
    assert!(matches!(waits[..], [0, 1..=1_800_000, 0, 0]), "{second:?}");
    for (decision, command) in second.iter().zip(["a 5 1h", "b 3 30m", "c 9 2h", "new 5 1h"]) {
        let peeked = db.decide(&format!("RL.PEEK {command} COST 2"));
        let passed = decision.reset_after_ms - peeked.reset_after_ms;
        assert!((0..10_000).contains(&passed), "{decision:?} {peeked:?}");
        let (retry_after_ms, reset_after_ms) = (decision.retry_after_ms, decision.reset_after_ms);
        assert_eq!(*decision, Decision { retry_after_ms, reset_after_ms, ..peeked });
    }
    assert_eq!(units(&mut db, ["a", "b", "c", "new"]), [2, 2, 2, 0]);
    assert_eq!(db.run::<i64>("EXISTS new"), 0);
    // The last key can deny just like the first.
    for command in ["b 3 30m a 5 1h c 9 2h", "a 5 1h c 9 2h b 3 30m"] {
        let decisions = db.decide_all(&format!("RL.MCHECK 2 {command}"));
        assert!(decisions.iter().any(|decision| !decision.allowed));
    }
    assert_eq!(units(&mut db, ["a", "b", "c"]), [2, 2, 2]);
}

#[test]
fn the_same_key_twice_counts_twice() {
    let server = Server::start();
    let mut db = server.connect();
    let both = db.decide_all("RL.MCHECK 2 k 5 1h k 5 1h");
    assert_eq!((allowed(&both), remaining(&both)), (vec![true, true], vec![3, 1]));
    assert_eq!(db.units("k"), 4);

    // One unit fits, two do not. The second decision reports the same remaining units as the first.
    let both = db.decide_all("RL.MCHECK 1 k 5 1h other 5 1h k 5 1h");
    assert_eq!(allowed(&both), [true, true, false]);
    assert_eq!(remaining(&both), [1, 5, 1]);
    assert!((1..=HOUR).contains(&both[2].retry_after_ms));
    assert_eq!(units(&mut db, ["k", "other"]), [4, 0]);
}

#[test]
fn a_repeated_key_is_checked_under_each_of_its_rules_with_all_its_units() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET gold 7 1h 9 1d");
    let all = db.decide_all("RL.MCHECK 2 k 9 1h k 5 1m k POLICY gold");
    assert_eq!((allowed(&all), remaining(&all)), (vec![true; 3], vec![7, 1, 1]));
    assert_eq!((db.units("k"), all[2].limit), (6, 7));
    assert!(db.run::<i64>("PTTL k") > 80_000_000, "the retention is the longest window");

    // The checks together exceed the limit, so waiting does not help.
    for (command, waits) in [
        ("3 new 5 1h new 5 1h", [0, -1]),
        ("3 new 9 1h new 5 1m", [0, -1]),
        ("6 new 5 1m new 9 1h", [-1, 0]),
        ("4 new 4 1h new POLICY gold", [0, -1]),
    ] {
        let decisions = db.decide_all(&format!("RL.MCHECK {command}"));
        let decisions: Vec<_> = decisions.iter().map(|decision| decision.retry_after_ms).collect();
        assert_eq!(decisions, waits, "{command}");
    }
    assert_eq!(db.run::<i64>("EXISTS new"), 0);
}

#[test]
fn an_override_applies_to_its_own_key_only() {
    let server = Server::start();
    let mut db = server.connect();
    let command = "RL.MCHECK 2 a 5 1h o 3 1h b 5 1h";

    db.run::<()>("RL.OVERRIDE SET o ALLOW");
    for left in [3, 1] {
        let decisions = db.decide_all(command);
        assert_eq!(
            (allowed(&decisions), remaining(&decisions)),
            (vec![true; 3], vec![left, 3, left])
        );
        assert_eq!((decisions[1].limit, decisions[1].reset_after_ms), (3, 0));
    }
    assert_eq!(units(&mut db, ["a", "o", "b"]), [4, 0, 4]);
    let decisions = db.decide_all(command);
    assert_eq!(allowed(&decisions), [false, true, false]);

    db.run::<()>("DEL a b");
    for (lasts, waits) in [("", -1..=-1), (" EX 60", 50_000..=60_000)] {
        db.run::<()>(&format!("RL.OVERRIDE SET o DENY{lasts}"));
        let decisions = db.decide_all(command);
        assert_eq!(
            (allowed(&decisions), remaining(&decisions)),
            (vec![true, false, true], vec![5, 0, 5])
        );
        assert!(waits.contains(&decisions[1].retry_after_ms), "{decisions:?}");
    }
    assert_eq!(units(&mut db, ["a", "o", "b"]), [0, 0, 0]);

    db.run::<()>("RL.OVERRIDE SET o LIMIT 2 1m");
    let decisions = db.decide_all(command);
    assert_eq!((allowed(&decisions), remaining(&decisions)), (vec![true; 3], vec![3, 0, 3]));
    assert_eq!((decisions[1].limit, decisions[1].window_ms), (2, 60_000));
    let decisions = db.decide_all(command);
    assert_eq!(allowed(&decisions), [true, false, true]);
    assert_eq!(units(&mut db, ["a", "o", "b"]), [2, 2, 2]);

    db.run::<()>("RL.OVERRIDE SET o DENY PX 1");
    until("the override has ended", || db.run::<Value>("RL.OVERRIDE GET o") == Value::Nil);
    let decisions = db.decide_all("RL.MCHECK 1 a 5 1h o 3 1h b 5 1h");
    assert_eq!((allowed(&decisions), remaining(&decisions)), (vec![true; 3], vec![2, 0, 2]));
}

#[test]
fn a_shadow_policy_denies_no_other_key() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET trial SHADOW 2 1h");
    for (left, shadowed) in [(3, 0), (1, 0)] {
        let decisions = db.decide_all("RL.MCHECK 2 a 5 1h s POLICY trial");
        assert_eq!(
            (allowed(&decisions), remaining(&decisions)),
            (vec![true; 2], vec![left, shadowed])
        );
        assert_eq!(decisions[1].retry_after_ms, 0);
    }
    assert_eq!(units(&mut db, ["a", "s"]), [4, 2]);
    // Nothing is recorded under the shadow policy if another key denies.
    db.run::<()>("DEL s");
    let decisions = db.decide_all("RL.MCHECK 2 s POLICY trial a 5 1h");
    assert_eq!((allowed(&decisions), remaining(&decisions)), (vec![true, false], vec![2, 1]));
    assert_eq!(db.run::<i64>("EXISTS s"), 0);
    // Units that the shadow policy would deny do not count as pending at the key.
    let decisions = db.decide_all("RL.MCHECK 3 s POLICY trial s 3 1h");
    assert_eq!(allowed(&decisions), [true, true]);
    assert_eq!(db.units("s"), 3);
}

#[test]
fn ten_thousand_keys_are_one_decision() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("CONFIG SET rl.max-keys 10000");
    let keys: String = (0..9_999).map(|key| format!(" key:{key} 2 1h")).collect();
    let decisions = db.decide_all(&format!("RL.MCHECK 2{keys}"));
    assert_eq!(decisions.len(), 9_999);
    assert!(decisions.iter().all(|decision| decision.allowed && decision.remaining == 0));
    assert_eq!(db.run::<i64>("DBSIZE"), 9_999);
    let decisions = db.decide_all(&format!("RL.MCHECK 1 new 1 1h{keys}"));
    assert_eq!(decisions.iter().filter(|decision| decision.allowed).count(), 1);
    assert_eq!(db.run::<i64>("DBSIZE"), 9_999);

    let often = " k 10000 1h".repeat(10_000);
    let decisions = db.decide_all(&format!("RL.MCHECK 1{often}"));
    assert_eq!((decisions[0].remaining, decisions[9_999].remaining), (9_999, 0));
    assert_eq!(db.units("k"), 10_000);
    let decisions = db.decide_all(&format!("RL.MCHECK 1{often}"));
    assert!(!decisions.iter().any(|decision| decision.allowed));
    assert_eq!(db.units("k"), 10_000);
}

#[test]
fn a_key_ahead_of_the_clock_is_shifted_by_a_check_that_another_key_denies() {
    let server = Server::start();
    let mut db = server.connect();
    let ahead = db.now_ms() + HOUR;
    for (other, expected) in [("full 1 1h", false), ("free 9 1h", true)] {
        db.run::<()>("DEL k");
        db.record("k", 2 * HOUR, &[(ahead - 7_000, 2), (ahead, 1)]);
        db.decide("RL.CHECK full 1 1h");
        let decisions = db.decide_all(&format!("RL.MCHECK 1 k 9 2h {other}"));
        assert_eq!((decisions[0].allowed, decisions[1].allowed), (true, expected));
        assert_eq!(decisions[0].remaining, if expected { 5 } else { 6 });
        let hits = db.hits("k");
        let (newest, oldest) = (hits[0].0, hits[hits.len() - 1].0);
        assert!(newest <= db.now_ms());
        assert_eq!(newest - oldest, 7_000, "the gaps are unchanged: {hits:?}");
        // Reads show a shifted log in any case. The expiry shows whether the stored value is shifted.
        let lasts = db.run::<i64>("PTTL k");
        assert!((HOUR..=2 * HOUR + 60_000).contains(&lasts), "{lasts}");
    }
}

#[test]
fn an_error_at_any_key_is_named_and_changes_no_key() {
    let server = Server::start();
    let mut db = server.connect();
    db.decide("RL.CHECK a 5 1h");
    db.run::<()>("SET text v");
    db.run::<()>("RL.POLICY SET gold 5 1h");
    let before = (db.digest(), db.info("rdb_changes_since_last_save"));
    let cost = |given: &str| format!("ERR cost '{given}' is not an integer from 1 to 1000000");
    let limit = |given: &str| format!("ERR limit '{given}' is not an integer from 0 to 1000000");
    let window = |given: &str| {
        format!(
            "ERR window '{given}' is not a positive integer with a unit of ms, s, m, h, d or w (none means \
             seconds), at most 366d"
        )
    };
    let wrong_type = "WRONGTYPE Operation against a key holding the wrong kind of value";
    for (arguments, expected) in [
        ("x a 5 60 new 5 60", cost("x")),
        ("0 a 5 60", cost("0")),
        ("-1 a 5 60", cost("-1")),
        ("1000001 a 5 60", cost("1000001")),
        (" a 5 60", cost("")),
        ("1 a 5 60 new x 60", limit("x")),
        ("1 a 5 60 new -1 60", limit("-1")),
        ("1 a 5 60 new 1000001 60", limit("1000001")),
        ("1 a 5 60 new COST 5", limit("COST")),
        ("1 a 5 60 new 5 0", window("0")),
        ("1 a 5 60 new 5 1x", window("1x")),
        ("1 a 5 60 new 5 367d", window("367d")),
        ("1 a 5 60 new policy silver", "NOPOLICY no policy named 'silver'".to_owned()),
        (
            "1 a 5 60 new POLICY gold newer POLICY Gold",
            "NOPOLICY no policy named 'Gold'".to_owned(),
        ),
        ("1 a 5 60 new 5 60 text 5 60", wrong_type.to_owned()),
        ("1 text 5 60 a 5 60 new 5 60", wrong_type.to_owned()),
        // Errors of the call take precedence over errors of a key.
        ("1 text 5 60 a 5 1x", window("1x")),
    ] {
        assert_eq!(db.error(&format!("RL.MCHECK {arguments}")), expected, "{arguments}");
    }
    assert_eq!((db.digest(), db.info("rdb_changes_since_last_save")), before);
    assert_eq!(db.run::<i64>("DBSIZE"), 2);
    db.run::<()>("CONFIG SET rl.max-limit 3 rl.max-window 1m");
    assert!(db.error("RL.MCHECK 4 a 3 60").ends_with("from 1 to 3"));
    assert!(db.error("RL.MCHECK 1 a 3 60 a 4 60").ends_with("from 0 to 3"));
    assert!(db.error("RL.MCHECK 1 a 3 60 a 3 61").ends_with("at most 1m"));
    db.decide_all("RL.MCHECK 1 a 3 60 b 3 60");
}
