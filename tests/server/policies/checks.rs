//! Named rules: stored, looked up at each check, and tried in shadow mode.

use redis::{ProtocolVersion, Value};

use crate::support::{Client, Counts, Decision, Server, assert_same_dataset, counts};

#[test]
fn get_returns_the_policy_as_it_was_set() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET b/2 5 10 100 1m");
    db.run::<()>("rl.policy set A.1_x:y-z shadow 7 1500ms");
    let reply: Vec<Value> = db.run("RL.POLICY GET b/2");
    let expected: Vec<Value> =
        db.run(["EVAL", "return {'mode', 'enforce', 'rules', {{5, 10000}, {100, 60000}}}", "0"]);
    assert_eq!(reply, expected);
    let reply: Vec<Value> = db.run("RL.POLICY GET A.1_x:y-z");
    let expected: Vec<Value> =
        db.run(["EVAL", "return {'mode', 'shadow', 'rules', {{7, 1500}}}", "0"]);
    assert_eq!(reply, expected);
    assert_eq!(db.run::<Value>("RL.POLICY GET nobody"), Value::Nil);
    assert_eq!(db.run::<Vec<String>>("RL.POLICY LIST"), ["A.1_x:y-z", "b/2"]);

    assert_eq!(db.run::<i64>("RL.POLICY DEL b/2"), 1);
    assert_eq!(db.run::<i64>("RL.POLICY DEL b/2"), 0);
    assert_eq!(db.run::<Vec<String>>("RL.POLICY LIST"), ["A.1_x:y-z"]);
}

#[test]
fn a_changed_policy_applies_to_the_next_check_and_to_the_history() {
    let server = Server::start();
    let mut db = server.connect();
    let now = db.now_ms();
    db.record("k", 3_600_000, &[(now - 1_800_000, 4), (now - 1000, 2)]);
    db.run::<()>("RL.POLICY SET p 10 1h");
    assert_eq!(db.decide("RL.CHECK k POLICY p").remaining, 3);
    db.run::<()>("RL.POLICY SET p 5 1h");
    let denied = db.decide("RL.CHECK k POLICY p");
    assert_eq!((denied.allowed, denied.limit, denied.remaining), (false, 5, 0));
    db.run::<()>("RL.POLICY SET p 5 10m");
    assert_eq!(db.decide("RL.CHECK k POLICY p").remaining, 1);
    assert_eq!(db.units("k"), 8);
}

#[test]
fn a_deleted_policy_is_rejected_by_the_next_check() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET p 10 1h");
    db.decide("RL.CHECK k POLICY p");
    db.run::<i64>("RL.POLICY DEL p");
    let before = (db.digest(), db.info("rdb_changes_since_last_save"));
    for command in ["RL.CHECK k POLICY p", "RL.PEEK k POLICY p", "RL.MCHECK 1 j 5 1h k POLICY p"] {
        assert_eq!(db.error(command), "NOPOLICY no policy named 'p'");
    }
    assert_eq!(db.error("RL.CHECK k POLICY P"), "NOPOLICY no policy named 'P'");
    assert_eq!(db.error(["RL.CHECK", "k", "POLICY", ""]), "NOPOLICY no policy named ''");
    let odd = [&b"RL.CHECK"[..], b"k", b"POLICY", b"\r\n\xff"];
    assert_eq!(db.error(odd), r"NOPOLICY no policy named '\r\n\xff'");
    let long = db.error(&format!("RL.CHECK k POLICY {}", "x".repeat(100_000)));
    assert!(long.len() < 120, "{long}");
    assert_eq!((db.digest(), db.info("rdb_changes_since_last_save")), before);
}

#[track_caller]
fn assert_counts(db: &mut Client, policy: &str, expected: Counts) {
    assert_eq!(counts(db, "RL.STATS").1[policy], expected);
}

#[test]
fn a_shadow_policy_allows_every_check_and_records_what_its_rules_allow() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET trial SHADOW 2 1h 100 1d");
    for check in 1..=5 {
        let decision = db.decide("RL.CHECK k POLICY trial");
        assert!(decision.allowed, "check {check}");
        assert_eq!(decision.retry_after_ms, 0);
        assert_eq!(db.units("k"), check.min(2));
    }
    assert_eq!(db.decide("RL.CHECK k POLICY trial").remaining, 0);
    assert_counts(&mut db, "trial", Counts::of(6, 0).with_shadow_denied(4).with_near(5));
    // A peek does not count, and each key has its own denials.
    assert!(db.decide("RL.PEEK k POLICY trial").allowed);
    assert!(db.decide("RL.CHECK other POLICY trial COST 3").allowed);
    assert!(db.decide("RL.CHECK other POLICY trial COST 2").allowed);
    assert_eq!(db.units("other"), 2);
    assert_counts(&mut db, "trial", Counts::of(8, 0).with_shadow_denied(5).with_near(6));

    // Once the policy is enforced, it counts the units recorded in shadow mode.
    db.run::<()>("RL.POLICY SET trial 2 1h");
    assert!(!db.decide("RL.CHECK k POLICY trial").allowed);
    assert_counts(&mut db, "trial", Counts::of(8, 1).with_shadow_denied(5).with_near(6));
}

#[test]
fn a_policy_may_have_a_limit_of_zero() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET off 0 1w");
    db.run::<()>("RL.POLICY SET trial SHADOW 0 1w");
    let never = |allowed, retry_after_ms| Decision {
        allowed,
        limit: 0,
        remaining: 0,
        retry_after_ms,
        reset_after_ms: 0,
        window_ms: 604_800_000,
    };
    assert_eq!(db.decide("RL.CHECK k POLICY off"), never(false, -1));
    assert_eq!(db.decide("RL.CHECK k POLICY trial COST 3"), never(true, 0));
    assert_eq!(db.decide("RL.CHECK k POLICY trial"), never(true, 0));
    assert_eq!(db.run::<i64>("EXISTS k"), 0);
    assert_counts(&mut db, "off", Counts::of(0, 1));
    assert_counts(&mut db, "trial", Counts::of(2, 0).with_shadow_denied(2).with_near(2));
}

#[test]
fn a_shadow_denial_replicates_nothing() {
    let server = Server::start();
    let replica = server.start_replica(&[]);
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET trial SHADOW 1 1h");
    db.decide("RL.CHECK k POLICY trial");
    let before = db.info("master_repl_offset");
    for _ in 0..20 {
        assert!(db.decide("RL.CHECK k POLICY trial").allowed);
        assert!(db.decide("RL.CHECK new POLICY trial COST 2").allowed);
    }
    assert_eq!(db.info("master_repl_offset"), before);
    assert_eq!(db.run::<i64>("EXISTS new"), 0);
    drop(replica);
}

#[test]
fn bad_names_rules_and_arguments_are_rejected_and_change_nothing() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET p 10 1h");
    let before = db.run::<String>("RL.POLICY EXPORT");
    let changes = db.info("rdb_changes_since_last_save");
    let name = |given: &str| {
        format!("ERR policy name '{given}' is not 1 to 64 characters of A-Z a-z 0-9 . _ : - /")
    };
    let window = |given: &str, max: &str| {
        format!(
            "ERR window '{given}' is not a positive integer with a unit of ms, s, m, h, d or w (none \
             means seconds), at most {max}"
        )
    };
    let arity = |command: &str| format!("ERR wrong number of arguments for '{command}' command");
    let long = "x".repeat(65);
    let cut = format!("{}...", "x".repeat(64));
    for (command, error) in [
        ("RL.POLICY SET a* 5 1h".to_owned(), name("a*")),
        ("RL.POLICY SET  5 1h".into(), name("")),
        ("RL.POLICY SET ä 5 1h".into(), name(r"\xc3\xa4")),
        (format!("RL.POLICY SET {long} 5 1h"), name(&cut)),
        (format!("RL.POLICY GET {long}"), name(&cut)),
        ("RL.POLICY DEL a*".into(), name("a*")),
        ("RL.POLICY SET p".into(), arity("rl.policy|set")),
        ("RL.POLICY SET p 5".into(), arity("rl.policy|set")),
        ("RL.POLICY GET".into(), arity("rl.policy|get")),
        ("RL.POLICY GET p p".into(), arity("rl.policy|get")),
        ("RL.POLICY DEL p p".into(), arity("rl.policy|del")),
        ("RL.POLICY LIST p".into(), arity("rl.policy|list")),
        ("RL.POLICY EXPORT p".into(), arity("rl.policy|export")),
        ("RL.POLICY IMPORT".into(), arity("rl.policy|import")),
        ("RL.POLICY SET p SHADOW 5".into(), "ERR limit '5' has no window".into()),
        ("RL.POLICY SET p 5 1h 6".into(), "ERR limit '6' has no window".into()),
        (
            "RL.POLICY SET p -1 1h".into(),
            "ERR limit '-1' is not an integer from 0 to 1000000".into(),
        ),
        (
            "RL.POLICY SET p 1000001 1h".into(),
            "ERR limit '1000001' is not an integer from 0 to 1000000".into(),
        ),
        ("RL.POLICY SET p 5 1y".into(), window("1y", "366d")),
        ("RL.POLICY SET p 5 367d".into(), window("367d", "366d")),
        ("RL.POLICY SET p 5 1h SHADOW".into(), "ERR unexpected argument 'SHADOW'".into()),
        (
            format!("RL.POLICY SET p{}", " 5 1h".repeat(17)),
            "ERR 17 rules are given, at most 16 are allowed".into(),
        ),
    ] {
        // Some servers write a subcommand's name as it was registered, others in lower case.
        let reply = db.error(&command).to_ascii_lowercase();
        assert_eq!(reply, error.to_ascii_lowercase(), "{command}");
    }
    assert_eq!(db.run::<String>("RL.POLICY EXPORT"), before);
    assert_eq!(db.info("rdb_changes_since_last_save"), changes);
    db.run::<()>(&format!("RL.POLICY SET {}{}", "x".repeat(64), " 5 1h".repeat(16)));
    assert_eq!(db.run::<Vec<String>>("RL.POLICY LIST"), ["p".into(), "x".repeat(64)]);
}

#[test]
fn the_configured_bounds_apply_to_policies() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("CONFIG SET rl.max-limit 50 rl.max-window 2h rl.max-policies 2");
    assert_eq!(db.error("RL.POLICY SET a 51 1h"), "ERR limit '51' is not an integer from 0 to 50");
    assert!(db.error("RL.POLICY SET a 50 7201").ends_with("at most 2h"));
    db.run::<()>("RL.POLICY SET a 50 2h");
    db.run::<()>("RL.POLICY SET b 50 2h");
    let full = "ERR there would be more than 2 policies (rl.max-policies)";
    assert_eq!(db.error("RL.POLICY SET c 5 1h"), full);
    // An existing policy can be changed, and deleting a policy makes room.
    db.run::<()>("RL.POLICY SET b 5 1h");
    db.run::<i64>("RL.POLICY DEL a");
    db.run::<()>("RL.POLICY SET c 5 1h");
    assert_eq!(db.error("RL.POLICY SET a 5 1h"), full);
    db.run::<()>("CONFIG SET rl.max-policies 0");
    assert!(db.error("RL.POLICY SET a 5 1h").contains("more than 0 policies"));
    db.run::<()>("RL.POLICY SET c 6 1h");
    assert_eq!(db.run::<Vec<String>>("RL.POLICY LIST"), ["b", "c"]);
}

#[test]
fn one_set_of_policies_serves_every_database() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("SELECT 9");
    db.run::<()>("RL.POLICY SET p 1 1h");
    for database in [0, 1, 9, 15] {
        db.run::<()>(&format!("SELECT {database}"));
        assert_eq!(db.run::<Vec<String>>("RL.POLICY LIST"), ["p"]);
        assert!(db.decide("RL.CHECK k POLICY p").allowed);
        assert!(!db.decide("RL.CHECK k POLICY p").allowed);
    }
    db.run::<()>("SWAPDB 0 3");
    db.run::<()>("FLUSHDB");
    assert_eq!(db.run::<Vec<String>>("RL.POLICY LIST"), ["p"]);
}

#[test]
fn policies_work_in_transactions_and_are_discarded_with_them() {
    let server = Server::start();
    let replica = server.start_replica(&[]);
    let mut db = server.connect();
    for command in ["MULTI", "RL.POLICY SET p 1 1h", "RL.CHECK k POLICY p", "RL.CHECK k POLICY p"] {
        db.run::<Value>(command);
    }
    let (done, first, second): (String, Decision, Decision) = db.run("EXEC");
    assert_eq!(done, "OK");
    assert!(first.allowed && !second.allowed);

    for command in ["MULTI", "RL.POLICY SET q 1 1h", "RL.POLICY DEL p"] {
        db.run::<Value>(command);
    }
    db.run::<()>("DISCARD");
    assert_eq!(db.run::<Vec<String>>("RL.POLICY LIST"), ["p"]);
    assert_same_dataset(&server, &replica);
    assert_eq!(replica.connect().run::<Vec<String>>("RL.POLICY LIST"), ["p"]);
}

#[test]
fn policies_work_in_scripts() {
    let server = Server::start();
    let replica = server.start_replica(&[]);
    let mut db = server.connect();
    let script = "redis.call('RL.POLICY', 'SET', 'p', '1', '1h') \
                  redis.call('RL.CHECK', KEYS[1], 'POLICY', 'p') \
                  return redis.call('RL.CHECK', KEYS[1], 'POLICY', 'p')";
    let decision: Decision = db.run(["EVAL", script, "1", "k"]);
    assert!(!decision.allowed);
    let failing = "return redis.call('RL.CHECK', KEYS[1], 'POLICY', 'nobody')";
    let error = db.error(["EVAL", failing, "1", "k"]);
    assert!(error.contains("NOPOLICY") || error.contains("no policy named 'nobody'"), "{error}");
    assert_same_dataset(&server, &replica);
    let mut reader = replica.connect();
    assert_eq!(reader.run::<Vec<String>>("RL.POLICY LIST"), ["p"]);
    let peek = "return redis.call('RL.PEEK', KEYS[1], 'POLICY', 'p')";
    assert!(!reader.run::<Decision>(["EVAL_RO", peek, "1", "k"]).allowed);
}

#[test]
fn a_policy_is_a_map_in_resp3() {
    let server = Server::start();
    let mut db = server.connect_speaking(ProtocolVersion::RESP3);
    db.run::<()>("RL.POLICY SET p SHADOW 5 1m");
    let text = |text: &str| Value::BulkString(text.into());
    let rule = Value::Array(vec![Value::Int(5), Value::Int(60_000)]);
    let expected =
        Value::Map(vec![(text("mode"), text("shadow")), (text("rules"), Value::Array(vec![rule]))]);
    assert_eq!(db.run::<Value>("RL.POLICY GET p"), expected);
    assert_eq!(db.run::<Value>("RL.POLICY GET nobody"), Value::Nil);
    assert_eq!(db.run::<Vec<String>>("RL.POLICY LIST"), ["p"]);
}
