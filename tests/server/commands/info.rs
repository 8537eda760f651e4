//! The module's sections of `INFO`.

use std::collections::HashMap;

use crate::support::{Client, Counts, Server, counts};

/// Returns the names and the values of the policies in the order of `INFO`.
fn listed(db: &mut Client) -> Vec<(String, String)> {
    let info: String = db.run("INFO rl");
    let fields = info.lines().filter_map(|line| line.strip_prefix("rl_policy_")?.split_once(':'));
    fields.map(|(name, counts)| (name.replace("%3A", ":"), counts.to_owned())).collect()
}

fn names(db: &mut Client) -> Vec<String> {
    listed(db).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn info_shows_the_same_counts() {
    let server = Server::start();
    let mut db = server.connect();
    for policy in ["gold 2 1h", "trial SHADOW 1 1h", "a:b/c.d 1 1h"] {
        db.run::<()>(&format!("RL.POLICY SET {policy}"));
    }
    db.run::<()>("RL.OVERRIDE SET o DENY");
    for check in ["k POLICY gold", "k POLICY trial", "k POLICY a:b/c.d", "o 5 1h"] {
        for _ in 0..3 {
            db.decide(&format!("RL.CHECK {check}"));
        }
    }
    let (all, policies) = counts(&mut db, "RL.STATS");
    let info: String = db.run("INFO rl");
    let mut fields = HashMap::new();
    for line in info.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, value) = line.split_once(':').expect("a line is a name and a value");
        assert!(name.starts_with("rl_") && !value.is_empty(), "{line}");
        assert_eq!(fields.insert(name, value), None, "{line}");
    }
    let number = |name: &str| fields[name].parse().expect("a number");
    assert_eq!(Counts::read(|name| number(&format!("rl_{name}"))), all);
    assert_eq!((number("rl_policies"), number("rl_overrides")), (3, 1));
    assert!(number("rl_monitor_bytes") > 1_000);
    let digest = fields["rl_policies_digest"];
    assert!(digest.len() == 16 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{digest}");
    for (policy, name) in [("gold", "gold"), ("trial", "trial"), ("a:b/c.d", "a%3Ab/c.d")] {
        let counts: HashMap<&str, i64> = fields[&*format!("rl_policy_{name}")]
            .split(',')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name, value.parse().expect("a number")))
            .collect();
        assert_eq!(counts.len(), 6);
        assert_eq!(Counts::read(|name| counts[name]), policies[policy], "{policy}");
    }
    // `INFO everything` contains the sections, and the default sections are unchanged.
    let everything: String = db.run("INFO everything");
    assert!(everything.contains("rl_checks:12\r\n"), "{everything}");
    assert!(!db.run::<String>("INFO").contains("rl_checks"));
}

#[test]
fn names_of_policies_that_differ_in_a_colon_have_different_fields() {
    let server = Server::start();
    let mut db = server.connect();
    // In byte order. A policy's name has no percent sign, so each field has one name.
    let policies =
        ["-", "/", ":", "::", "A", "_", "a.b", "a/b", "a3Ab", "a:b", "a:b:", "a_b", "a_b_"];
    for (index, name) in policies.iter().enumerate() {
        db.run::<()>(&format!("RL.POLICY SET {name} 100 1h"));
        for _ in 0..=index {
            db.decide(&format!("RL.CHECK {name} POLICY {name}"));
        }
    }
    let found = listed(&mut db);
    assert_eq!(names(&mut db), policies, "{found:?}");
    for (index, (name, counts)) in found.iter().enumerate() {
        let expected = format!("checks={0},allowed={0},", index + 1);
        assert!(counts.starts_with(&expected), "{name}: {counts}");
    }
}

#[test]
fn only_the_hundred_busiest_policies_are_listed() {
    let server = Server::start();
    let mut db = server.connect();
    let all: Vec<String> = (0..150).map(|number| format!("p{number:03}")).collect();
    for name in &all {
        db.run::<()>(&format!("RL.POLICY SET {name} 1000 1h"));
    }
    assert_eq!(names(&mut db), all[..100], "no policy has checks");
    for name in &all[20..] {
        db.decide(&format!("RL.CHECK k POLICY {name}"));
    }
    assert_eq!(names(&mut db), all[20..120]);
    for name in &all[40..] {
        db.decide(&format!("RL.CHECK k POLICY {name}"));
    }
    db.decide("RL.CHECK k POLICY p000");
    db.decide("RL.CHECK k POLICY p000");
    db.decide("RL.CHECK k POLICY p000");
    let mut busiest = vec!["p000".to_owned()];
    busiest.extend_from_slice(&all[40..139]);
    assert_eq!(names(&mut db), busiest);
    assert_eq!(db.info("rl_policies"), "150");
    assert_eq!(counts(&mut db, "RL.STATS").1.len(), 150);
}
