//! Random checks and peeks under a policy and under the same rules inline. The decisions must be equal.

use crate::support::{Client, Decision, Random, Server};

const MINUTE: i64 = 60_000;

/// Runs a check or a peek and returns its decision.
fn decide(db: &mut Client, call: &str, key: &str, rules: &str, cost: usize) -> Decision {
    db.decide(&format!("{call} {key} {rules} COST {cost}"))
}

/// Asserts that two decisions on equal logs are the same, apart from the time that passed between them.
#[track_caller]
fn assert_same(first: &Decision, second: &Decision, passed_ms: i64, what: &str) {
    let later = |time: i64, passed: i64| if time > 0 { time - passed } else { time };
    let same = (0..=passed_ms).any(|passed| {
        let retry_after_ms = later(first.retry_after_ms, passed);
        let reset_after_ms = later(first.reset_after_ms, passed);
        Decision { retry_after_ms, reset_after_ms, ..*first } == *second
    });
    assert!(same, "{what}: {first:?} against {second:?}, {passed_ms} ms later");
}

/// Returns random rules in text form, with windows of tens of minutes. Many have few rules, which allow more often.
fn random_rules(random: &mut Random) -> String {
    let most = random.below(16) + 1;
    let rules: Vec<String> = (0..=random.below(most))
        .map(|_| {
            let limit = random.pick(&[0, 1, 2, 5, 17, 40, 1000, 1000, 1000]);
            let window = random.pick(&["10m", "1200", "1800s", "3600000ms", "2h", "1d", "1w"]);
            format!("{limit} {window}")
        })
        .collect();
    rules.join(" ")
}

/// Records the same units at both keys, away from the edges of the windows.
fn record_history(db: &mut Client, random: &mut Random, keys: [&str; 2]) {
    let now = db.now_ms();
    let mut ages: Vec<_> = (0..=random.below(12))
        .map(|_| i64::try_from(random.below(150)).expect("the number is small"))
        .collect();
    ages.sort_unstable_by(|one, other| other.cmp(one));
    let hits: Vec<_> =
        ages.iter().map(|age| (now - (10 * age + 5) * MINUTE, 1 + age % 5)).collect();
    for key in keys {
        db.run::<i64>(["DEL", key]);
        db.record(key, 1440 * MINUTE, &hits);
    }
}

#[test]
fn a_policy_decides_like_its_rules_inline() {
    let server = Server::start();
    let mut db = server.connect();
    let mut random = Random::seeded(31);
    let (mut calls, mut denials) = (0, 0);
    for round in 0..150 {
        let rules = random_rules(&mut random);
        db.run::<()>(&format!("RL.POLICY SET p {rules}"));
        record_history(&mut db, &mut random, ["inline", "named"]);
        for _ in 0..6 {
            let call = random.pick(&["RL.CHECK", "RL.CHECK", "RL.PEEK"]);
            let cost = *random.pick(&[1, 1, 2, 3, 18]);
            let before = db.now_ms();
            let inline = decide(&mut db, call, "inline", &rules, cost);
            let named = decide(&mut db, call, "named", "POLICY p", cost);
            let passed = db.now_ms() - before;
            let what = format!("round {round}: {call} COST {cost} under {rules}");
            assert_same(&inline, &named, passed, &what);
            assert_eq!(db.units("inline"), db.units("named"), "{what}");
            denials += i32::from(!named.allowed);
            calls += 1;
            if db.hits("inline") != db.hits("named") {
                // The units were recorded a millisecond apart, so the logs are no longer equal.
                break;
            }
        }
    }
    assert!(denials > 20 && calls - denials > 20, "{denials} of {calls} were denied");
}
