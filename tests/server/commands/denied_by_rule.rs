//! `RL.STATS`: the denials by each rule of a policy.

use redis::Value;

use crate::support::{Counts, Server, counts, denied_by_rule};

#[test]
fn denials_are_counted_by_the_rule_that_binds() {
    let server = Server::start();
    let mut db = server.connect();
    for policy in ["gold 2 1h 5 2h 5 1d", "trial SHADOW 2 1h 5 2h 5 1d"] {
        db.run::<()>(&format!("RL.POLICY SET {policy}"));
    }
    db.run::<()>("RL.OVERRIDE SET barred DENY");
    db.run::<()>("RL.OVERRIDE SET limited LIMIT 1 1h");
    for policy in ["gold", "trial"] {
        let mut check = |key: &str, cost: i64| {
            db.run::<Value>(&format!("RL.CHECK {key} POLICY {policy} COST {cost}"));
        };
        // The first rule denies while its window is full.
        for _ in 0..5 {
            check(policy, 1);
        }
        // A cost above a limit is never allowed: the first rule wins the tie.
        check("new", 6);
        // An override's denials belong to no rule.
        check("barred", 1);
        check("limited", 2);
        assert_eq!(denied_by_rule(&mut db, policy), [4, 0, 0], "{policy}");
        // The third rule's window is full of units that the others no longer count.
        let three_hours_ago = db.now_ms() - 3 * 3_600_000;
        db.record(&format!("day:{policy}"), 86_400_000, &[(three_hours_ago, 5)]);
        db.run::<Value>(&format!("RL.CHECK day:{policy} POLICY {policy}"));
        db.run::<Value>(&format!("RL.MCHECK 1 day:{policy} POLICY {policy}"));
        db.run::<Value>(&format!("RL.PEEK day:{policy} POLICY {policy}"));
        assert_eq!(denied_by_rule(&mut db, policy), [4, 0, 2], "{policy}");
    }
    counts(&mut db, "RL.STATS RESET");
    for policy in ["gold", "trial"] {
        assert_eq!(denied_by_rule(&mut db, policy), [0, 0, 0]);
    }
}

#[test]
fn denials_by_rule_continue_while_the_rules_are_equal() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET gold 1 1h 9 1d");
    for _ in 0..3 {
        db.decide("RL.CHECK k POLICY gold");
    }
    let exported: String = db.run("RL.POLICY EXPORT");
    for command in [
        &["RL.POLICY", "SET", "gold", "1", "60m", "9", "24h"][..],
        &["RL.POLICY", "SET", "gold", "SHADOW", "1", "1h", "9", "1d"],
        &["RL.POLICY", "IMPORT", &exported],
        &["DEBUG", "RELOAD"],
    ] {
        let words: Vec<String> = command.iter().map(|&word| word.to_owned()).collect();
        db.run::<()>(&words[..]);
        assert_eq!(denied_by_rule(&mut db, "gold"), [2, 0], "{command:?}");
    }
    for (rules, zeros) in [("9 1d 1 1h", 2), ("1 1h", 1), ("1 1h 9 1d 10 2d", 3)] {
        db.run::<()>(&format!("RL.POLICY SET gold {rules}"));
        assert_eq!(denied_by_rule(&mut db, "gold"), vec![0; zeros], "{rules}");
    }
    assert_eq!(counts(&mut db, "RL.STATS").1["gold"], Counts::of(1, 2).with_near(1));
}
