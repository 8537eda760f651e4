//! Overrides: how they change the decision of a check.

use crate::support::{Client, Decision, OverrideInfo, Server, assert_same_dataset, field};

use redis::Value;

const HOUR: i64 = 3_600_000;
/// The same rules in each kind of call.
const WAYS: [&str; 6] = [
    "RL.CHECK k 5 1h",
    "RL.PEEK k 5 1h",
    "RL.CHECK k POLICY five",
    "RL.PEEK k POLICY five",
    "RL.CHECK k POLICY trial",
    "RL.PEEK k POLICY trial",
];

fn prepared() -> (Server, Client) {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET five 5 1h");
    db.run::<()>("RL.POLICY SET trial SHADOW 5 1h");
    (server, db)
}

/// Returns the state that must not change.
fn observed_state(db: &mut Client) -> (String, String, Vec<(i64, i64)>) {
    (db.digest(), db.info("rdb_changes_since_last_save"), db.hits("k"))
}

#[track_caller]
fn assert_decision(decision: Decision, allowed: bool, limit: i64, remaining: i64, retry: i64) {
    let observed = (decision.allowed, decision.limit, decision.remaining, decision.retry_after_ms);
    assert_eq!(observed, (allowed, limit, remaining, retry));
}

#[test]
fn allow_allows_every_check_and_records_nothing() {
    let (_server, mut db) = prepared();
    for used in 0..=5 {
        db.run::<()>("RL.OVERRIDE SET k ALLOW");
        let before = observed_state(&mut db);
        for way in WAYS {
            for cost in ["", " COST 5", " COST 1000000"] {
                let decision = db.decide(&format!("{way}{cost}"));
                assert_decision(decision, true, 5, 5 - used, 0);
                assert_eq!(decision.window_ms, HOUR);
                assert_eq!(decision.reset_after_ms > 0, used > 0);
            }
        }
        assert_eq!(observed_state(&mut db), before);
        db.run::<()>("RL.OVERRIDE DEL k");
        assert_eq!(db.decide("RL.CHECK k 5 1h").allowed, used < 5);
    }
}

#[test]
fn allow_reports_the_fullest_rule() {
    let (_server, mut db) = prepared();
    db.decide("RL.CHECK k 100 1d COST 10");
    db.run::<()>("RL.OVERRIDE SET k ALLOW");
    let decision = db.decide("RL.CHECK k 100 1h 7 1m 50 1d");
    assert_decision(decision, true, 7, 0, 0);
    assert_eq!(decision.window_ms, 60_000);
}

#[test]
fn deny_denies_every_check() {
    let (_server, mut db) = prepared();
    for used in 0..=5 {
        db.run::<()>("RL.OVERRIDE SET k DENY");
        let before = observed_state(&mut db);
        for way in WAYS {
            let decision = db.decide(way);
            assert_decision(decision, false, 5, 0, -1);
            assert_eq!(decision.window_ms, HOUR);
        }
        assert_eq!(observed_state(&mut db), before);
        db.run::<()>("RL.OVERRIDE DEL k");
        assert_eq!(db.decide("RL.CHECK k 5 1h").allowed, used < 5);
    }
}

#[test]
fn a_timed_deny_reports_when_it_ends() {
    let (_server, mut db) = prepared();
    db.decide("RL.CHECK k 5 1h COST 2");
    for (lasts, millis) in [("PX 60000", 60_000), ("EX 7200", 7_200_000)] {
        db.run::<()>(&format!("RL.OVERRIDE SET k DENY {lasts}"));
        let end = db.override_end("k");
        for way in WAYS {
            let before = db.now_ms();
            let decision = db.decide(way);
            let after = db.now_ms();
            assert!((end - after..=end - before).contains(&decision.retry_after_ms));
            assert!((millis - 50_000..=millis).contains(&decision.retry_after_ms));
            assert_decision(decision, false, 5, 0, decision.retry_after_ms);
        }
    }
}

#[test]
fn limit_replaces_the_rules_of_a_check() {
    let (_server, mut db) = prepared();
    db.run::<()>("RL.OVERRIDE SET k LIMIT 8 30m 20 2h");
    for remaining in (0..8).rev() {
        let way = if remaining % 2 == 0 { "RL.CHECK k 1000 1h" } else { "RL.CHECK k POLICY trial" };
        let decision = db.decide(way);
        assert_decision(decision, true, 8, remaining, 0);
        assert_eq!(decision.window_ms, 1_800_000);
    }
    for way in ["RL.CHECK k 1000 1h", "RL.CHECK k 1 1s", "RL.PEEK k 9 1h"].iter().chain(&WAYS) {
        let denied = db.decide(*way);
        assert!((1_700_000..=1_800_000).contains(&denied.retry_after_ms), "{way}");
        assert_decision(denied, false, 8, 0, denied.retry_after_ms);
    }
    assert_eq!(db.decide("RL.CHECK k 1000 1h COST 21").retry_after_ms, -1);
    assert_eq!(db.units("k"), 8);
}

#[test]
fn limit_zero_denies_every_check_without_an_end() {
    let (_server, mut db) = prepared();
    db.run::<()>("RL.OVERRIDE SET k LIMIT 0 60");
    let rules = vec![(0, 60_000)];
    let shown = OverrideInfo { action: "limit".into(), rules, ttl_ms: -1 };
    assert_eq!(db.get_override("k"), Some(shown));
    for way in WAYS {
        let decision = db.decide(way);
        assert_decision(decision, false, 0, 0, -1);
        assert_eq!((decision.window_ms, decision.reset_after_ms), (60_000, 0), "{way}");
    }
    assert_eq!(db.units("k"), 0);
    // A limit of zero in the rules does not matter under an override.
    db.run::<()>("RL.OVERRIDE SET k LIMIT 8 1w");
    let decision = db.decide("RL.CHECK k 0 60");
    assert_decision(decision, true, 8, 7, 0);
    assert_eq!(decision.window_ms, 604_800_000);
    db.run::<()>("RL.OVERRIDE SET k ALLOW");
    assert_decision(db.decide("RL.CHECK k 0 60"), true, 0, 0, 0);
}

#[test]
fn units_recorded_under_an_override_count_for_the_checks_longer_window() {
    let (_server, mut db) = prepared();
    db.run::<()>("RL.OVERRIDE SET k LIMIT 100 10ms");
    for _ in 0..7 {
        assert!(db.decide("RL.CHECK k 5 1h").allowed);
    }
    assert_eq!(db.run::<i64>("RL.OVERRIDE DEL k"), 1);
    assert_eq!(db.units("k"), 7);
    let denied = db.decide("RL.CHECK k 5 1h");
    assert_decision(denied, false, 5, 0, denied.retry_after_ms);
    assert!((HOUR - 60_000..=HOUR).contains(&denied.retry_after_ms));
    assert_eq!(db.decide("RL.PEEK k 10 1h").remaining, 3);
}

#[test]
fn the_last_override_wins() {
    let (_server, mut db) = prepared();
    let expected = |action: &str, rules: &[(i64, i64)]| {
        Some(OverrideInfo { action: action.into(), rules: rules.to_vec(), ttl_ms: -1 })
    };
    assert_eq!(db.get_override("k"), None);
    for (key_override, shown) in [
        ("ALLOW", expected("allow", &[])),
        ("deny", expected("deny", &[])),
        ("Limit 5 1m 7 1h", expected("limit", &[(5, 60_000), (7, HOUR)])),
        ("ALLOW", expected("allow", &[])),
    ] {
        assert_eq!(db.run::<String>(&format!("RL.OVERRIDE SET k {key_override}")), "OK");
        assert_eq!(db.get_override("k"), shown);
    }
    db.run::<()>("RL.OVERRIDE SET k DENY PX 90000");
    let timed = db.get_override("k").expect("an override").ttl_ms;
    assert!((60_000..=90_000).contains(&timed), "{timed}");
    db.run::<()>("RL.OVERRIDE SET k DENY");
    assert_eq!(db.get_override("k"), expected("deny", &[]));
    assert_eq!(db.run::<i64>("RL.OVERRIDE DEL k"), 1);
    assert_eq!(db.run::<i64>("RL.OVERRIDE DEL k"), 0);
    assert_eq!(db.get_override("k"), None);
    assert_eq!(db.run::<i64>("EXISTS k"), 0);
}

#[test]
fn an_override_affects_only_its_key() {
    let (_server, mut db) = prepared();
    db.run::<()>("RL.OVERRIDE SET k DENY");
    assert!(db.decide("RL.CHECK l 5 1h").allowed);
    db.run::<()>("SELECT 1");
    assert!(db.decide("RL.CHECK k 5 1h").allowed);
    assert_eq!(db.get_override("k"), None);
}

#[test]
fn a_reset_and_a_refund_keep_the_override() {
    let (_server, mut db) = prepared();
    db.decide("RL.CHECK k 9 1h COST 6");
    for key_override in ["ALLOW", "DENY PX 60000", "LIMIT 9 1h"] {
        db.run::<()>(&format!("RL.OVERRIDE SET k {key_override}"));
        assert_eq!(db.run::<i64>("RL.REFUND k COST 2"), 2);
        let text = db.override_text("k");
        assert!(text.starts_with(&key_override[..4]), "{text}");
        assert_eq!(db.run::<i64>("RL.RESET k"), 4);
        assert_eq!(db.override_text("k"), text);
        assert_eq!(db.run::<i64>("RL.RESET k"), 0);
        assert_eq!(db.run::<i64>("RL.REFUND k"), 0);
        assert_eq!(db.override_text("k"), text);
        db.run::<i64>("RL.OVERRIDE DEL k");
        db.decide("RL.CHECK k 9 1h COST 6");
    }
}

#[test]
fn inspect_shows_the_override_and_its_bytes() {
    let (_server, mut db) = prepared();
    db.decide("RL.CHECK k 9 1h COST 6");
    let plain: Value = db.run("RL.INSPECT k");
    assert_eq!(field::<Option<OverrideInfo>>(&plain, "override"), Ok(None));
    db.run::<()>("RL.OVERRIDE SET k LIMIT 5 1m");
    let key_override: Value = db.run("RL.INSPECT k");
    assert_eq!(
        field::<Option<OverrideInfo>>(&key_override, "override").unwrap(),
        db.get_override("k")
    );
    assert_eq!(field::<i64>(&key_override, "units"), Ok(6));
    let bytes = |map: &Value| field::<i64>(map, "bytes").expect("a number");
    assert!(bytes(&key_override) > bytes(&plain) + 100);
    db.run::<i64>("RL.RESET k");
    let override_only: Value = db.run("RL.INSPECT k");
    assert_eq!(field::<i64>(&override_only, "units"), Ok(0));
    assert_eq!(field::<Option<i64>>(&override_only, "newest_ms"), Ok(None));
    assert_eq!(
        field::<Option<OverrideInfo>>(&override_only, "override").unwrap(),
        db.get_override("k")
    );
}

#[test]
fn resp3_gets_maps_and_nulls() {
    let server = Server::start();
    let mut raw = server.connect_raw();
    let mut call = |command: &str| {
        let reply = raw.exchange_bytes(format!("{command}\r\n").as_bytes());
        String::from_utf8(reply).expect("text")
    };
    call("HELLO 3");
    assert_eq!(call("RL.OVERRIDE GET k"), "_\r\n");
    assert_eq!(call("RL.OVERRIDE LIST"), "*2\r\n$1\r\n0\r\n*0\r\n");
    assert_eq!(call("RL.OVERRIDE SET k LIMIT 5 1m"), "+OK\r\n");
    let fields = "$6\r\naction\r\n$5\r\nlimit\r\n$5\r\nrules\r\n*1\r\n*2\r\n:5\r\n:60000\r\n\
                  $6\r\nttl_ms\r\n:-1\r\n";
    assert_eq!(call("RL.OVERRIDE GET k"), format!("%3\r\n{fields}"));
    let place = "$3\r\nkey\r\n$1\r\nk\r\n$8\r\ndatabase\r\n:0\r\n";
    let page = format!("*2\r\n$1\r\n0\r\n*1\r\n%5\r\n{place}{fields}");
    assert_eq!(call("RL.OVERRIDE LIST"), page);
    let inspected = call("RL.INSPECT k");
    assert!(inspected.starts_with("%6\r\n"), "{inspected}");
    assert!(inspected.ends_with(&format!("$8\r\noverride\r\n%3\r\n{fields}")), "{inspected}");
}

#[test]
fn a_clock_step_shifts_the_log_under_every_override() {
    let (server, mut db) = prepared();
    let replica = server.start_replica(&[]);
    for (key_override, command) in [
        ("ALLOW", "RL.CHECK k 9 2h"),
        ("DENY PX 90000", "RL.CHECK k 9 2h"),
        ("LIMIT 1 2h", "RL.CHECK k 9 2h"),
    ] {
        let ahead = db.now_ms() + HOUR;
        db.record("k", 2 * HOUR, &[(ahead - 5_000, 2), (ahead, 3)]);
        db.run::<()>(&format!("RL.OVERRIDE SET k {key_override}"));
        let text = db.override_text("k");
        let before = (db.digest(), db.info("rdb_changes_since_last_save"));
        db.decide(&command.replace("CHECK", "PEEK"));
        assert_eq!((db.digest(), db.info("rdb_changes_since_last_save")), before, "{key_override}");
        let before = db.now_ms();
        db.decide(command);
        let newest = db.hits("k")[0].0;
        assert!((before..=db.now_ms()).contains(&newest), "{key_override}");
        assert_eq!(db.hits("k"), [(newest, 3), (newest - 5_000, 2)], "{key_override}");
        assert_eq!(db.override_text("k"), text);
        assert_same_dataset(&server, &replica);
        let shifted = observed_state(&mut db);
        db.decide(command);
        assert_eq!(observed_state(&mut db), shifted, "{key_override}");
        db.run::<()>("DEL k");
    }
}
