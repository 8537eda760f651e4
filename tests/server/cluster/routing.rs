//! A cluster. Every node redirects clients to the one log of a key.

use redis::Value;

use crate::support::{Checks, Cluster, ClusterClient, field, policies, until};

const KEYS: [&str; 6] = ["user:1", "user:2", "user:3", "user:4", "{team}:a", "{team}:b"];
const POLICIES: &str = concat!(
    r#"{"policies":[{"name":"api","rules":[{"limit":150,"window":"1h"}]},"#,
    r#"{"name":"burst","shadow":true,"rules":[{"limit":10,"window":"1s"}]}]}"#,
);

#[test]
fn any_node_redirects_to_the_log_and_the_limit_holds_for_the_cluster() {
    let cluster = Cluster::start(3, 1);
    let primary = cluster.primary_of("k");
    let moved = format!("MOVED {} 127.0.0.1:{}", cluster.slot_of("k"), cluster[primary].port());
    for node in cluster.each_node().filter(|node| node.port() != cluster[primary].port()) {
        let mut db = node.connect();
        for command in [
            "RL.CHECK k 5 1h",
            "RL.CHECK k POLICY api",
            "RL.PEEK k 5 1h",
            "RL.EXPLAIN k 5 1h",
            "RL.REFUND k",
            "RL.RESET k",
            "RL.INSPECT k",
            "RL.HITS k",
        ] {
            assert_eq!(db.error(command), moved, "{command}");
        }
    }
    assert_eq!(cluster.primary_of("{team}:a"), cluster.primary_of("{team}:b"));
    assert!((0..3).all(|place| KEYS.iter().any(|key| cluster.primary_of(key) == place)));

    cluster[0].connect().run::<()>("RL.POLICY SET api 150 1h");
    cluster[1].connect().run::<()>("RL.POLICY SET burst SHADOW 10 1s");
    until("all nodes have the policies", || {
        cluster.each_node().all(|node| policies(&mut node.connect()).0 == POLICIES)
    });

    // One client per node, replicas included, checks all keys at the same time.
    let callers = cluster.each_node().map(ClusterClient::by);
    let checks = Checks::start(callers, &KEYS, "POLICY api");
    checks.advance(2400);
    for (key, tally) in checks.stop() {
        assert_eq!(tally.allowed, 150, "{key}");
        assert_eq!(cluster[cluster.primary_of(&key)].connect().units(&key), 150, "{key}");
    }
    cluster.assert_one_truth();

    // A replica serves reads from the same log and under the same policies.
    let mut reader = cluster[cluster.replica_of("{team}:a")].connect();
    reader.run::<()>("READONLY");
    let explained: Value = reader.run("RL.EXPLAIN {team}:a POLICY api");
    assert_eq!(field::<String>(&explained, "decided_by"), Ok("rules".to_owned()));
    for rules in ["150 1h", "POLICY api"] {
        let peek = reader.decide(&format!("RL.PEEK {{team}}:a {rules}"));
        assert_eq!((peek.allowed, peek.limit, peek.remaining), (false, 150, 0), "{rules}");
    }
    assert!(reader.error("RL.CHECK {team}:a 200 1h").starts_with("MOVED"));
}
