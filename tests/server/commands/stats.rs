//! `RL.STATS`: the node's counts of checks by result.

use std::collections::HashMap;

use redis::{ProtocolVersion, Value};

use crate::support::{Client, Counts, Server, Stop, counts, wait_until_in_step};

fn totals(db: &mut Client) -> Counts {
    counts(db, "RL.STATS").0
}

fn of_policy(db: &mut Client, name: &str) -> Option<Counts> {
    counts(db, "RL.STATS").1.get(name).copied()
}

#[test]
fn every_check_is_counted_once_by_its_result() {
    let server = Server::start();
    let mut db = server.connect();
    assert_eq!(counts(&mut db, "RL.STATS"), (Counts::default(), HashMap::new()));
    for _ in 0..5 {
        db.decide("RL.CHECK k 3 1h");
    }
    assert_eq!(totals(&mut db), Counts::of(3, 2).with_near(1));
    // A check that is denied before the key exists counts once, and so does a check of many units.
    db.decide("RL.CHECK new 3 1h COST 4");
    db.decide("RL.CHECK other 30 1h COST 30");
    assert_eq!(totals(&mut db), Counts::of(4, 3).with_near(2));
}

#[test]
fn counts_continue_after_a_reload_of_the_dataset() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET p 1 1h");
    for _ in 0..3 {
        db.decide("RL.CHECK k POLICY p");
    }
    let before = Counts::of(1, 2).with_near(1);
    assert_eq!((totals(&mut db), of_policy(&mut db, "p")), (before, Some(before)));
    db.run::<()>("DEBUG RELOAD");
    assert_eq!((totals(&mut db), of_policy(&mut db, "p")), (before, Some(before)));
}

#[test]
fn only_checks_are_counted() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("SET text v");
    db.decide("RL.CHECK k 1 1h");
    for command in [
        "RL.PEEK k 1 1h",
        "RL.PEEK new 1 1h",
        "RL.INSPECT k",
        "RL.HITS k",
        "RL.REFUND k",
        "RL.RESET k",
        "RL._RECORD 1700000000000 1 k 60000",
        "RL.CHECK k -1 1h",
        "RL.CHECK k 1 1x",
        "RL.CHECK k POLICY none",
        "RL.CHECK text 1 1h",
        "RL.MCHECK 1 new 1 1h text 1 1h",
        "RL.MCHECK 1 new 1 1h newer POLICY none",
        "RL.STATS",
        "RL.TOP CHECKED",
    ] {
        db.attempt::<Value>(command).ok();
    }
    assert_eq!(totals(&mut db), Counts::of(1, 0).with_near(1));
    db.run::<()>("CONFIG SET maxmemory-policy noeviction maxmemory 1");
    assert!(db.error("RL.CHECK newest 1 1h").starts_with("OOM"));
    assert!(db.error("RL.MCHECK 1 newest 1 1h").starts_with("OOM"));
    assert_eq!(totals(&mut db), Counts::of(1, 0).with_near(1));
}

#[test]
fn overrides_are_counted_in_addition_to_their_result() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET gold 1 1h");
    for (action, expected) in [
        ("ALLOW", Counts::of(3, 0).with_overridden(3)),
        ("DENY", Counts::of(0, 3).with_overridden(3)),
        ("LIMIT 2 1h", Counts::of(2, 1).with_overridden(3).with_near(1)),
    ] {
        db.run::<()>(&format!("RL.OVERRIDE SET k {action}"));
        for _ in 0..3 {
            db.decide("RL.CHECK k POLICY gold");
        }
        let (all, policies) = counts(&mut db, "RL.STATS RESET");
        assert_eq!((all, policies["gold"]), (expected, expected), "{action}");
    }
}

#[test]
fn each_policy_has_its_own_counts() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET gold 2 1h");
    db.run::<()>("RL.POLICY SET trial SHADOW 1 1h");
    db.run::<()>("RL.POLICY SET idle 1 1h");
    for _ in 0..4 {
        db.decide("RL.CHECK a POLICY gold");
        db.decide("RL.CHECK b POLICY trial");
        db.decide("RL.CHECK c 1 1h");
        db.decide("RL.PEEK a POLICY gold");
    }
    let (all, policies) = counts(&mut db, "RL.STATS");
    assert_eq!(all, Counts::of(2 + 4 + 1, 2 + 3).with_shadow_denied(3).with_near(1 + 4 + 1));
    assert_eq!(policies["gold"], Counts::of(2, 2).with_near(1));
    assert_eq!(policies["trial"], Counts::of(4, 0).with_shadow_denied(3).with_near(4));
    assert_eq!((policies["idle"], policies.len()), (Counts::default(), 3));
}

#[test]
fn a_check_of_several_keys_counts_each_of_them() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET gold 2 1h");
    db.run::<()>("RL.POLICY SET trial SHADOW 1 1h");
    db.run::<()>("RL.OVERRIDE SET o ALLOW");
    db.decide_all("RL.MCHECK 1 a POLICY gold b POLICY trial c 9 1h o 9 1h a POLICY gold");
    assert_eq!(totals(&mut db), Counts::of(5, 0).with_overridden(1).with_near(2));
    // The check is denied at a. The decisions for the other keys are allowed.
    db.decide_all("RL.MCHECK 1 a POLICY gold b POLICY trial c 9 1h");
    let (all, policies) = counts(&mut db, "RL.STATS");
    assert_eq!(all, Counts::of(7, 1).with_overridden(1).with_shadow_denied(1).with_near(3));
    assert_eq!(policies["gold"], Counts::of(2, 1).with_near(1));
    assert_eq!(policies["trial"], Counts::of(2, 0).with_shadow_denied(1).with_near(2));
}

#[test]
fn a_reset_returns_the_counts_and_sets_them_to_zero() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET gold 1 1h");
    for _ in 0..3 {
        db.decide("RL.CHECK k POLICY gold");
    }
    for (command, expected) in [
        ("RL.STATS FOO", "ERR unknown keyword 'FOO'"),
        ("RL.STATS RESET FOO", "ERR unexpected argument 'FOO'"),
        ("RL.STATS RESET RESET", "ERR unexpected argument 'RESET'"),
    ] {
        assert_eq!(db.error(command), expected);
    }
    let before = counts(&mut db, "RL.STATS");
    assert_eq!(before.0, Counts::of(1, 2).with_near(1));
    assert_eq!(counts(&mut db, "rl.stats Reset"), before);
    let (all, policies) = counts(&mut db, "RL.STATS");
    assert_eq!((all, policies["gold"]), (Counts::default(), Counts::default()));
    db.decide("RL.CHECK k POLICY gold");
    let (all, policies) = counts(&mut db, "RL.STATS");
    assert_eq!((all, policies["gold"]), (Counts::of(0, 1), Counts::of(0, 1)));
}

#[test]
fn a_policys_counts_survive_its_changes_and_end_with_its_deletion() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET gold 1 1h");
    let check = |db: &mut Client| db.decide("RL.CHECK k POLICY gold");
    check(&mut db);
    check(&mut db);
    db.run::<()>("RL.POLICY SET gold 2 1h");
    assert_eq!(of_policy(&mut db, "gold"), Some(Counts::of(1, 1).with_near(1)));
    check(&mut db);
    db.run::<()>("RL.POLICY SET gold SHADOW 2 1h");
    check(&mut db);
    let expected = Counts::of(3, 1).with_shadow_denied(1).with_near(3);
    assert_eq!(of_policy(&mut db, "gold"), Some(expected));
    let exported: String = db.run("RL.POLICY EXPORT");
    db.run::<()>(["RL.POLICY", "IMPORT", &exported]);
    assert_eq!(of_policy(&mut db, "gold"), Some(expected));
    db.run::<i64>("RL.POLICY DEL gold");
    assert_eq!(of_policy(&mut db, "gold"), None);
    db.run::<()>("RL.POLICY SET gold 1 1h");
    assert_eq!(of_policy(&mut db, "gold"), Some(Counts::default()));
    assert_eq!(totals(&mut db), expected);
}

#[test]
fn checks_in_transactions_and_scripts_are_counted() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("MULTI");
    db.run::<()>("RL.CHECK k 2 1h");
    db.run::<()>("RL.STATS");
    db.run::<Value>("EXEC");
    let script = "for i = 1, 3 do redis.call('RL.CHECK', KEYS[1], 2, '1h') end";
    db.run::<()>(["EVAL", script, "1", "k"]);
    assert_eq!(totals(&mut db), Counts::of(2, 2).with_near(1));
}

#[test]
fn a_node_counts_its_decisions_and_not_replicated_effects() {
    let mut server = Server::with(&["appendonly yes"]);
    let replica = server.start_replica(&[]);
    let (mut db, mut reader) = (server.connect(), replica.connect());
    db.run::<()>("RL.POLICY SET gold 2 1h");
    for _ in 0..3 {
        db.decide("RL.CHECK k POLICY gold");
        db.decide_all("RL.MCHECK 1 a 9 1h b 9 1h");
    }
    wait_until_in_step(&server, &replica);
    reader.decide("RL.PEEK k POLICY gold");
    let nothing = (Counts::default(), HashMap::from([("gold".to_owned(), Counts::default())]));
    assert_eq!(counts(&mut reader, "RL.STATS"), nothing);
    assert_eq!(reader.run::<Value>("RL.TOP CHECKED"), Value::Array(vec![]));
    // A reset of the node's own counts is not a write.
    counts(&mut reader, "RL.STATS RESET");
    assert_eq!(totals(&mut db), Counts::of(8, 1).with_near(1));
    server.restart(Stop::NoSave);
    assert_eq!(counts(&mut server.connect(), "RL.STATS"), nothing);
}

#[test]
fn stats_are_maps_in_resp3() {
    let server = Server::start();
    let mut db = server.connect_speaking(ProtocolVersion::RESP3);
    db.run::<()>("RL.POLICY SET gold 2 1h");
    let Value::Map(fields) = db.run("RL.STATS") else {
        panic!("expected a map");
    };
    let names: Vec<String> = fields
        .iter()
        .map(|(name, _)| redis::from_redis_value(name.clone()).expect("text"))
        .collect();
    let counts = ["checks", "allowed", "denied", "shadow_denied", "overridden", "near"];
    assert_eq!(names, [&counts[..], &["policies"]].concat());
    assert!(matches!(&fields[6].1, Value::Map(policies) if policies.len() == 1), "{fields:?}");
}

#[test]
fn allowed_checks_near_the_limit_are_counted() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET gold 10 1h 1000 1h");
    for (command, near) in [
        ("RL.CHECK a POLICY gold COST 7", 0),
        ("RL.CHECK a POLICY gold", 1),
        ("RL.CHECK a POLICY gold COST 2", 2),
        ("RL.CHECK a POLICY gold", 2),
        ("RL.PEEK a POLICY gold", 2),
        ("RL.MCHECK 8 b POLICY gold c 100 1h", 3),
        // Each key counts by its own decision.
        ("RL.MCHECK 1 a POLICY gold b POLICY gold", 4),
        ("RL.CHECK d 4 1h COST 3", 4),
        ("RL.CHECK d 5 1h", 5),
    ] {
        db.run::<Value>(command);
        assert_eq!(totals(&mut db).near, near, "{command}");
    }
    assert_eq!(of_policy(&mut db, "gold").map(|counts| counts.near), Some(4));
    for (action, near) in [("ALLOW", 5), ("DENY", 5), ("LIMIT 100 1h", 5), ("LIMIT 12 1h", 6)] {
        db.run::<()>(&format!("RL.OVERRIDE SET a {action}"));
        db.decide("RL.CHECK a POLICY gold");
        assert_eq!(totals(&mut db).near, near, "{action}");
    }
}
