//! Network partitions: the units that the minority side allows, and its state afterwards.

use crate::support::{
    Checks, Client, Cluster, ClusterClient, Decision, Failover, OperatorState, Server, Stop,
    assert_same_dataset, until,
};

const KEYS: [&str; 4] = ["{s}:1", "{s}:2", "{s}:3", "{s}:held"];
/// The limits at the end, which are higher than before. The policy applies to the first keys and an override to
/// the last.
const LIMITS: [i64; 4] = [1200, 1200, 1200, 900];
const RULES: &str = "POLICY api";
/// Commands for the node that is cut off.
const STALE: &[u8] = b"RL.POLICY SET stale 7 1h\r\n\
    RL.OVERRIDE SET {s}:held LIMIT 700 1h\r\nRL.OVERRIDE SET {s}:stale DENY\r\n";
/// A limit that a test cannot use up.
const ROOMY: &str = "1000000 1h";

fn allows(db: &mut Client) -> Result<bool, String> {
    db.attempt::<Decision>(&format!("RL.CHECK k {ROOMY}")).map(|decision| decision.allowed)
}

#[test]
fn a_partitioned_primary_returns_to_one_consistent_state() {
    let cluster = Cluster::impatient(3, 1, &[]);
    let old = cluster.primary_of(KEYS[0]);
    let mut db = cluster[old].connect();
    db.run::<()>("RL.POLICY SET api 1000 1h");
    db.run::<()>("RL.POLICY SET night SHADOW 10 1m");
    cluster.wait_for_equal_policies();
    db.run::<()>("RL.OVERRIDE SET {s}:held LIMIT 800 1h");
    db.run::<()>("RL.OVERRIDE SET {s}:shut DENY");
    let callers = (0..3).map(|_| cluster[old].connect());
    let checks = Checks::start_acknowledged(callers, &KEYS, RULES);
    checks.advance(2000);
    let mut operator = cluster[old].connect_raw();
    operator.exchange(&[b"PING"]);
    cluster[old].pause();
    operator.send(STALE);
    let new = cluster.primary_after(old, KEYS[0]);
    // The majority side now has other rules than the node that is cut off.
    let mut promoted = cluster[new].connect();
    promoted.run::<()>("RL.POLICY SET day 5 1m");
    promoted.run::<i64>("RL.POLICY DEL night");
    promoted.run::<()>("RL.POLICY SET api 1200 1h");
    promoted.run::<()>("RL.OVERRIDE SET {s}:held LIMIT 900 1h");
    promoted.run::<()>("RL.OVERRIDE SET {s}:barred DENY EX 7200");
    promoted.run::<i64>("RL.OVERRIDE DEL {s}:shut");
    let operator_state = OperatorState::of(&cluster[new]);
    assert_eq!(operator_state.overrides.len(), 2);
    let failover = Failover::by(&mut promoted, &KEYS, RULES);
    let busy = Checks::start([ClusterClient::by(&cluster[new])], &["{s}:4"], ROOMY);
    busy.advance(100);

    // The node resumes as a primary. Checks and an operator's commands wait for it, and it may run them before
    // it learns of the failover.
    cluster[old].resume();
    let tallies = checks.until_refused();
    failover.assert_within_bound(&tallies);
    busy.advance(100);
    assert_eq!(cluster.primary_after(old, KEYS[0]), new);
    busy.advance(100);
    let allowed = busy.stop()["{s}:4"].allowed;
    cluster.assert_one_truth();
    assert_eq!(cluster[old].connect().info("role"), "slave");
    for place in [new, old] {
        let OperatorState { overrides, policies: (text, _) } = OperatorState::of(&cluster[place]);
        assert_eq!(overrides, operator_state.overrides);
        assert!(text.contains(r#""name":"day""#) && !text.contains("night"), "{text}");
    }
    assert_eq!(cluster[new].connect().units("{s}:4"), allowed);
    let mut client = ClusterClient::by(&cluster[old]);
    for (key, limit) in KEYS.into_iter().zip(LIMITS) {
        let decision: Decision = client.run(&format!("RL.CHECK {key} {RULES}"));
        assert_eq!((decision.allowed, decision.limit), (false, limit), "{key}");
        assert_eq!(promoted.units(key), limit, "{key}");
    }
}

#[test]
fn a_primary_with_min_replicas_allows_nothing_without_one() {
    let server = Server::with(&["min-replicas-to-write 1", "min-replicas-max-lag 2"]);
    let replica = server.start_replica(&[]);
    let mut db = server.connect();
    until("the replica is counted", || allows(&mut db).is_ok());

    // The replica is silent. The units that the primary allows until it notices must reach the replica in the
    // end.
    let before = db.units("k");
    replica.pause();
    let tallies = Checks::start([server.connect()], &["k"], ROOMY).until_refused();
    assert_eq!(db.units("k"), before + tallies["k"].allowed);
    assert!(allows(&mut db).is_err_and(|error| error.starts_with("NOREPLICAS")));
    assert!(db.decide(&format!("RL.PEEK k {ROOMY}")).allowed);
    replica.resume();
    until("the replica is counted", || allows(&mut db).is_ok());
    assert_same_dataset(&server, &replica);

    // The replica is promoted. Once the old primary has noticed, the two nodes enforce one limit together.
    let mut promoted = replica.connect();
    promoted.run::<()>("REPLICAOF NO ONE");
    until("the primary rejects checks", || allows(&mut db).is_err());
    let units = db.units("k");
    let allowed = (0..100).filter(|_| promoted.decide("RL.CHECK new 50 1h").allowed);
    assert_eq!(allowed.count(), 50);
    assert!(db.error("RL.CHECK new 50 1h").starts_with("NOREPLICAS"));
    assert_eq!((db.units("k"), db.units("new")), (units, 0));
    promoted.run::<()>("CONFIG SET min-replicas-to-write 1");
    server.follow(&replica);
    until("the new replica is counted", || allows(&mut promoted).is_ok());
    assert_same_dataset(&replica, &server);
    assert_eq!(server.connect().units("new"), 50);
}

#[test]
fn a_node_without_a_majority_stops_allowing() {
    let cluster = Cluster::impatient(3, 0, &["cluster-require-full-coverage no"]);
    let place = cluster.primary_of("k");
    let others: Vec<_> = (0..3).filter(|&other| other != place).collect();
    let mut db = cluster[place].connect();
    for &other in &others {
        cluster[other].pause();
    }
    let tallies = Checks::start([cluster[place].connect()], &["k"], ROOMY).until_refused();
    assert!(allows(&mut db).is_err_and(|error| error.starts_with("CLUSTERDOWN")));
    assert!(tallies["k"].allowed > 0);
    for &other in &others {
        cluster[other].resume();
    }
    assert_eq!(cluster.primary_of("k"), place);
    assert_eq!(db.units("k"), tallies["k"].allowed);
}

#[test]
fn a_cluster_without_full_coverage_serves_the_other_slots_only_if_configured() {
    let mut cluster = Cluster::impatient(3, 0, &[]);
    let place = cluster.primary_of("k");
    let mut db = cluster[place].connect();
    cluster[(place + 1) % 3].stop(Stop::Kill);
    let callers = [cluster[place].connect()];
    let tallies = Checks::start(callers, &["k"], ROOMY).until_refused();
    for command in ["RL.CHECK", "RL.PEEK"] {
        let error = db.error(&format!("{command} k {ROOMY}"));
        assert_eq!(error, "CLUSTERDOWN The cluster is down", "{command}");
    }
    db.run::<()>("CONFIG SET cluster-require-full-coverage no");
    until("the remaining slots are served", || allows(&mut db) == Ok(true));
    assert_eq!(db.units("k"), tallies["k"].allowed + 1);
}
