//! A cluster: every node leads to the one log of a key.

use crate::support::{Checks, Cluster, ClusterClient};

const KEYS: [&str; 6] = ["user:1", "user:2", "user:3", "user:4", "{team}:a", "{team}:b"];

#[test]
fn any_node_leads_to_the_log_and_the_limit_is_not_admitted_once_a_node() {
    let cluster = Cluster::start(3, 1);
    let primary = cluster.primary_of("k");
    let moved = format!("MOVED {} 127.0.0.1:{}", cluster.slot_of("k"), cluster[primary].port());
    for node in cluster.each_node().filter(|node| node.port() != cluster[primary].port()) {
        let mut db = node.connect();
        for command in [
            "RL.CHECK k 5 1h",
            "RL.PEEK k 5 1h",
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

    // A client of each node, the replicas among them, checks all keys at the same time.
    let callers = cluster.each_node().map(ClusterClient::by);
    let checks = Checks::start(callers, &KEYS, "150 1h");
    checks.advance(2400);
    for (key, tally) in checks.stop() {
        assert_eq!(tally.allowed, 150, "{key}");
        assert_eq!(cluster[cluster.primary_of(&key)].connect().units(&key), 150, "{key}");
    }
    cluster.assert_one_truth();

    // A replica answers what only reads, from the same log.
    let mut reader = cluster[cluster.replica_of("{team}:a")].connect();
    reader.run::<()>("READONLY");
    let peek = reader.decide("RL.PEEK {team}:a 150 1h");
    assert_eq!((peek.allowed, peek.remaining), (false, 0));
    assert!(reader.error("RL.CHECK {team}:a 200 1h").starts_with("MOVED"));
}
