//! `RL.EXPLAIN`: the decision of each rule, and what decides.

use std::collections::BTreeSet;

use redis::{FromRedisValue, Value};

use crate::support::{Client, Decision, OverrideInfo, Random, Server, field};

#[derive(Debug, PartialEq, Eq)]
struct Explanation {
    rules: Vec<Decision>,
    decision: Decision,
    decided_by: String,
    rule: Option<usize>,
    key_override: Option<OverrideInfo>,
}

impl FromRedisValue for Explanation {
    fn from_redis_value(value: Value) -> Result<Self, redis::ParsingError> {
        Ok(Self {
            rules: field(&value, "rules")?,
            decision: field(&value, "decision")?,
            decided_by: field(&value, "decided_by")?,
            rule: field(&value, "rule")?,
            key_override: field(&value, "override")?,
        })
    }
}

impl Explanation {
    /// Returns what decided, whether the check is allowed, and the index of the rule.
    fn outcome(&self) -> (&str, bool, Option<usize>) {
        (&self.decided_by, self.decision.allowed, self.rule)
    }

    fn allowed_by_rule(&self) -> Vec<bool> {
        self.rules.iter().map(|decision| decision.allowed).collect()
    }
}

fn explain(db: &mut Client, arguments: &str) -> Explanation {
    db.run(&format!("RL.EXPLAIN {arguments}"))
}

/// Returns a server whose key `k` holds two units, and the policies `three` and `trial` with the same three rules. The
/// second one denies two units, and the third one denies them for longer.
fn prepared() -> (Server, Client) {
    let server = Server::start();
    let mut db = server.connect();
    db.decide("RL.CHECK k 9 1d COST 2");
    db.run::<()>("RL.POLICY SET three 9 1d 3 1h 3 2h");
    db.run::<()>("RL.POLICY SET trial SHADOW 9 1d 3 1h 3 2h");
    (server, db)
}

#[test]
fn the_rules_decide_by_the_one_that_binds() {
    let (_server, mut db) = prepared();
    for arguments in ["k 9 1d 3 1h 3 2h", "k POLICY three"] {
        let allowed = explain(&mut db, arguments);
        assert_eq!(allowed.outcome(), ("rules", true, Some(1)));
        assert_eq!(allowed.allowed_by_rule(), [true; 3]);
        let remaining: Vec<_> = allowed.rules.iter().map(|rule| rule.remaining).collect();
        assert_eq!((remaining, allowed.key_override), (vec![7, 1, 1], None));

        let denied = explain(&mut db, &format!("{arguments} COST 2"));
        assert_eq!(denied.outcome(), ("rules", false, Some(2)));
        assert_eq!(denied.allowed_by_rule(), [true, false, false]);
    }
}

#[test]
fn a_shadow_policy_names_the_rule_that_would_have_denied() {
    let (_server, mut db) = prepared();
    assert_eq!(explain(&mut db, "k POLICY trial").outcome(), ("rules", true, Some(1)));
    let denied = explain(&mut db, "k POLICY trial COST 2");
    assert_eq!(denied.outcome(), ("shadow", true, Some(2)));
    assert_eq!(denied.allowed_by_rule(), [true, false, false]);
}

#[test]
fn an_override_decides_by_its_rules_or_by_none() {
    let (_server, mut db) = prepared();
    for policy in ["three", "trial"] {
        for (key_override, allowed) in [("ALLOW", true), ("DENY", false)] {
            db.run::<()>(&format!("RL.OVERRIDE SET k {key_override}"));
            let explained = explain(&mut db, &format!("k POLICY {policy} COST 2"));
            assert_eq!(explained.outcome(), ("override", allowed, None));
            assert_eq!(explained.allowed_by_rule(), [true, false, false]);
            assert_eq!(explained.key_override, db.get_override("k"));
        }
        db.run::<()>("RL.OVERRIDE SET k LIMIT 5 1h 3 1m");
        let explained = explain(&mut db, &format!("k POLICY {policy} COST 2"));
        assert_eq!(explained.outcome(), ("override", false, Some(1)));
        let limits: Vec<_> = explained.rules.iter().map(|rule| rule.limit).collect();
        assert_eq!(limits, [5, 3]);
        assert_eq!(explained.key_override, db.get_override("k"));
    }
}

#[test]
fn a_missing_key_is_explained_and_not_created() {
    let server = Server::start();
    let mut db = server.connect();
    let explained = explain(&mut db, "missing 5 1h 0 1m");
    assert_eq!(explained.outcome(), ("rules", false, Some(1)));
    assert_eq!(explained.allowed_by_rule(), [true, false]);
    assert_eq!(db.run::<i64>("DBSIZE"), 0);
}

#[test]
fn an_explanation_changes_and_counts_nothing() {
    let (_server, mut db) = prepared();
    let ahead = db.now_ms() + 3_600_000;
    db.record("ahead", 7_200_000, &[(ahead, 3)]);
    db.run::<()>("RL.OVERRIDE SET denied DENY");
    let state = |db: &mut Client| {
        let changes = db.info("rdb_changes_since_last_save");
        (db.digest(), db.run::<i64>("PEXPIRETIME k"), changes, db.run::<Value>("RL.STATS"))
    };
    let before = state(&mut db);
    for arguments in ["k 9 1h", "k 1 1h", "k POLICY trial COST 2", "ahead 3 2h", "denied 1 1"] {
        explain(&mut db, arguments);
    }
    assert_eq!(state(&mut db), before);
}

/// Peeks at two keys with the same units, one of which has an override.
struct Peeks {
    /// The check of the key `k`.
    check: String,
    /// Checks of the key `plain`, which has no override, under each rule alone.
    by_rule: Vec<String>,
}

impl Peeks {
    fn run(&self, db: &mut Client) -> (Decision, Vec<Decision>) {
        let check = db.decide(&format!("RL.PEEK {}", self.check));
        (check, self.by_rule.iter().map(|rule| db.decide(&format!("RL.PEEK {rule}"))).collect())
    }

    /// Explains the check between two peeks with the same replies. Returns the explanation and the replies.
    fn explain(&self, db: &mut Client) -> (Explanation, (Decision, Vec<Decision>)) {
        loop {
            let before = self.run(db);
            let explained = explain(db, &self.check);
            // Otherwise time has passed.
            if self.run(db) == before {
                return (explained, before);
            }
        }
    }
}

/// Returns one to four rules, as words.
fn random_rules(random: &mut Random) -> Vec<String> {
    let rule = |random: &mut Random| {
        let limit = *random.pick(&[0, 1, 3, 10, 40]);
        format!("{limit} {}", random.pick(&["1ms", "300ms", "10s", "1h", "2h"]))
    };
    (0..=random.below(4)).map(|_| rule(random)).collect()
}

#[test]
fn the_decisions_of_random_keys_equal_those_of_peeks() {
    let server = Server::start();
    let mut db = server.connect();
    let mut random = Random::seeded(7);
    let mut seen = BTreeSet::new();
    for _ in 0..400 {
        db.run::<()>("FLUSHALL");
        let now = db.now_ms();
        let ago = [0, 5, 400, 20_000, 3_000_000];
        let mut hits: Vec<_> = (0..random.below(12))
            .map(|_| (now - random.pick(&ago), *random.pick(&[1, 2, 9])))
            .collect();
        hits.sort_unstable();
        if !hits.is_empty() {
            db.record("k", 7_200_000, &hits);
            db.record("plain", 7_200_000, &hits);
        }

        let (given, of_override) = (random_rules(&mut random), random_rules(&mut random));
        let cost = *random.pick(&["", " COST 3"]);
        let check = match *random.pick(&["", "SHADOW ", "inline"]) {
            "inline" => format!("k {}{cost}", given.join(" ")),
            mode => {
                db.run::<()>(&format!("RL.POLICY SET policy {mode}{}", given.join(" ")));
                format!("k POLICY policy{cost}")
            }
        };
        let key_override = *random.pick(&["", "ALLOW", "DENY", "DENY EX 60", "LIMIT"]);
        let applied = match key_override {
            "" => &given,
            "LIMIT" => {
                db.run::<()>(&format!("RL.OVERRIDE SET k LIMIT {}", of_override.join(" ")));
                &of_override
            }
            fixed => {
                db.run::<()>(&format!("RL.OVERRIDE SET k {fixed}"));
                &given
            }
        };
        let by_rule = applied.iter().map(|rule| format!("plain {rule}{cost}")).collect();

        let (explained, peeked) = Peeks { check: check.clone(), by_rule }.explain(&mut db);
        let place = format!("{check}, {key_override}, {hits:?}");
        assert_eq!((explained.decision, explained.rules.clone()), peeked, "{place}");
        let (decided_by, allowed, rule) = explained.outcome();
        match (decided_by, rule) {
            ("shadow", Some(rule)) => assert!(!explained.rules[rule].allowed, "{place}"),
            (_, Some(rule)) => assert_eq!(explained.rules[rule], explained.decision, "{place}"),
            (_, None) => assert!(key_override != "LIMIT" && !key_override.is_empty(), "{place}"),
        }
        seen.insert((decided_by.to_owned(), allowed, rule.map(|rule| rule > 0)));
    }
    // Rules and an override's rules allow and deny, by the first rule and by others; shadow mode and fixed overrides.
    assert_eq!(seen.len(), 4 + 4 + 2 + 2, "{seen:?}");
}
