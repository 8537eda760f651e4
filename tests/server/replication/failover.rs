//! A replica is promoted, and the old primary follows it.

use crate::support::{
    Checks, Cluster, ClusterClient, Decision, Failover, Load, MAX_EXPIRY_DELAY_MS, Mix,
    OperatorState, Server, Stop, assert_same_dataset, policies, until, wait_until_in_step,
};

#[test]
fn a_promoted_replica_continues_from_its_primarys_state() {
    let server = Server::start();
    let replica = server.start_replica(&[]);
    let mut db = server.connect();
    for _ in 0..5 {
        db.decide("RL.CHECK k 8 1h");
    }
    wait_until_in_step(&server, &replica);
    let mut promoted = replica.connect();
    promoted.run::<()>("REPLICAOF NO ONE");
    let allowed = (0..10).filter(|_| promoted.decide("RL.CHECK k 8 1h").allowed);
    assert_eq!(allowed.count(), 3);
}

#[test]
fn the_old_primary_agrees_with_the_replica_that_was_promoted_under_load() {
    let server = Server::start();
    let replica = server.start_replica(&[]);
    let load = Load::on(&server, Mix::Lasting);
    load.advance(300);
    replica.connect().run::<()>("REPLICAOF NO ONE");
    let new_load = Load::on(&replica, Mix::Lasting);
    new_load.advance(300);
    load.advance(100);
    server.follow(&replica);
    load.stop();
    new_load.advance(300);
    new_load.stop();
    assert_same_dataset(&replica, &server);
}

#[test]
fn orderly_failovers_in_both_directions_lose_nothing() {
    let first = Server::start();
    let second = first.start_replica(&[]);
    let (mut one, mut two) = (first.connect(), second.connect());
    let mut primary = &first;
    let mut replica = &second;
    for _ in 0..4 {
        let load = Load::on(primary, Mix::Lasting);
        load.advance(200);
        primary.connect().run::<()>("FAILOVER");
        until("the roles have changed", || {
            let (old, new) = if std::ptr::eq(primary, &raw const first) {
                (&mut one, &mut two)
            } else {
                (&mut two, &mut one)
            };
            old.info("role") == "slave" && new.info("role") == "master"
        });
        load.stop();
        std::mem::swap(&mut primary, &mut replica);
        assert_same_dataset(primary, replica);
    }
}

#[test]
fn a_promoted_replica_with_replicas_of_its_own_keeps_them_in_step() {
    let server = Server::start();
    let middle = server.start_replica(&[]);
    let last = middle.start_replica(&[]);
    let load = Load::on(&server, Mix::Lasting);
    load.advance(200);
    middle.connect().run::<()>("REPLICAOF NO ONE");
    load.stop();
    let load = Load::on(&middle, Mix::Lasting);
    load.advance(300);
    server.follow(&middle);
    load.advance(300);
    load.stop();
    assert_same_dataset(&middle, &last);
    assert_same_dataset(&middle, &server);
}

#[test]
fn a_primary_that_restarts_from_its_snapshot_keeps_its_replica_in_step() {
    let mut server = Server::start();
    let replica = server.start_replica(&[]);
    let load = Load::on(&server, Mix::Lasting);
    load.advance(500);
    server.stop(Stop::Save);
    load.stop();
    server.start_again();
    // Write before, while and after the replica reconnects.
    let load = Load::on(&server, Mix::Lasting);
    load.advance(1000);
    let mut link = replica.connect();
    until("the replica's link is up", || link.info("master_link_status") == "up");
    load.advance(300);
    load.stop();
    assert_same_dataset(&server, &replica);
}

#[test]
fn a_primary_that_was_killed_and_loads_its_aof_keeps_its_replica_in_step() {
    let mut server = Server::with(&["appendonly yes", "appendfsync always"]);
    let replica = server.start_replica(&[]);
    let load = Load::on(&server, Mix::Lasting);
    load.advance(300);
    server.stop(Stop::Kill);
    load.stop();
    server.start_again();
    let load = Load::on(&server, Mix::Lasting);
    let mut link = replica.connect();
    until("the replica's link is up", || link.info("master_link_status") == "up");
    load.advance(300);
    load.stop();
    assert_same_dataset(&server, &replica);
}

#[test]
fn replicas_with_an_aof_load_their_primarys_dataset() {
    let server = Server::start();
    let mut replica = server.start_replica(&["appendonly yes", "appendfsync always"]);
    let load = Load::on(&server, Mix::Lasting);
    load.advance(800);
    load.stop();
    assert_same_dataset(&server, &replica);
    replica.connect().wait_for_aof();
    let before = replica.connect().digest();
    replica.restart(Stop::Kill);
    assert_eq!(replica.connect().digest(), before);
    replica.follow(&server);
    assert_same_dataset(&server, &replica);
}

#[test]
fn only_unacknowledged_units_are_allowed_again() {
    let mut server = Server::start();
    let replica = server.start_replica(&[]);
    let mut db = server.connect();
    let mut allow = |times: usize| {
        let allowed = (0..times).filter(|_| db.decide("RL.CHECK k 100 1h").allowed);
        assert_eq!(allowed.count(), times);
    };
    allow(30);
    wait_until_in_step(&server, &replica);
    // A paused replica can neither receive more effects nor reconnect.
    replica.pause();
    server.connect().run::<i64>("CLIENT KILL TYPE replica");
    allow(25);
    server.stop(Stop::Kill);
    replica.resume();
    let mut promoted = replica.connect();
    promoted.run::<()>("REPLICAOF NO ONE");
    assert_eq!(promoted.units("k"), 30);
    let allowed = (0..200).filter(|_| promoted.decide("RL.CHECK k 100 1h").allowed);
    assert_eq!(allowed.count(), 70);
}

/// Keys under a policy of 1000 an hour. The last one has an override of 600 an hour.
const KEYS: [&str; 4] = ["{s}:1", "{s}:2", "{s}:3", "{s}:held"];
const LIMITS: [i64; 4] = [1000, 1000, 1000, 600];
const RULES: &str = "POLICY api";

#[test]
fn a_primary_killed_under_load_loses_no_acknowledged_unit_and_restores_no_lost_one() {
    let mut cluster = Cluster::impatient(3, 1, &["appendonly yes"]);
    let old = cluster.primary_of(KEYS[0]);
    let new = cluster.replica_of(KEYS[0]);
    let mut db = cluster[old].connect();
    db.run::<()>("RL.POLICY SET api 1000 1h");
    db.run::<()>("RL.POLICY SET night SHADOW 10 1m");
    cluster.wait_for_equal_policies();
    db.run::<()>("RL.OVERRIDE SET {s}:held LIMIT 600 1h");
    db.run::<()>("RL.OVERRIDE SET {s}:shut DENY EX 7200");
    let operator_state = OperatorState::of(&cluster[old]);
    assert_eq!(operator_state.overrides.len(), 2);
    let callers = (0..3).map(|_| cluster[old].connect());
    let checks = Checks::start_acknowledged(callers, &KEYS, RULES);
    checks.advance(2000);
    // The replica is disconnected, so only the old primary's file has the last effects.
    cluster[new].pause();
    db.run::<i64>("CLIENT KILL TYPE replica");
    assert!((0..25).all(|_| db.decide("RL.CHECK {s}:lost 25 1h").allowed));
    for command in ["RL.OVERRIDE SET {s}:lost ALLOW", "RL.OVERRIDE DEL {s}:shut"] {
        db.run::<()>(command);
    }
    // The other primaries have the change of policies when the node is killed.
    db.run::<()>("RL.POLICY SET kept 5 1h");
    db.run::<i64>("RL.POLICY DEL night");
    let kept = policies(&mut db);
    let others = (0..6).filter(|&place| place != old && place != new);
    until("the other primaries have the change", || {
        others.clone().all(|place| policies(&mut cluster[place].connect()) == kept)
    });
    cluster[old].stop(Stop::Kill);
    cluster[new].resume();
    let tallies = checks.until_refused();

    assert_eq!(cluster.primary_after(old, KEYS[0]), new);
    let mut promoted = cluster[new].connect();
    assert_eq!(OperatorState::of(&cluster[new]).overrides, operator_state.overrides);
    until("the new primary has the policies", || policies(&mut promoted) == kept);
    Failover::by(&mut promoted, &KEYS, RULES).assert_within_bound(&tallies);
    assert!(!promoted.decide("RL.CHECK {s}:shut POLICY api").allowed);
    assert_eq!(promoted.units("{s}:lost"), 0);

    cluster[old].start_again();
    cluster.assert_one_truth();
    assert_eq!(OperatorState::of(&cluster[old]).overrides, operator_state.overrides);
    assert_eq!(policies(&mut cluster[old].connect()), kept);
    assert_eq!(cluster[old].connect().info("role"), "slave");
    let mut client = ClusterClient::by(&cluster[old]);
    for (key, limit) in KEYS.into_iter().zip(LIMITS) {
        let decision: Decision = client.run(&format!("RL.CHECK {key} {RULES}"));
        assert_eq!((decision.allowed, decision.limit), (false, limit), "{key}");
        assert_eq!(promoted.units(key), limit, "{key}");
    }
    assert_eq!(promoted.units("{s}:lost"), 0);
}

const HOUR: i64 = 3_600_000;

#[test]
fn a_promoted_replica_with_a_slow_clock_neither_locks_out_nor_allows_twice() {
    let cluster = Cluster::start(1, 1);
    let old = cluster.primary_of("k");
    let new = cluster.replica_of("k");
    let mut db = cluster[old].connect();
    // Units that were recorded by a primary whose clock is an hour ahead.
    let ahead = db.now_ms() + HOUR;
    let hits = [(ahead - 13_000, 2), (ahead - 3_000, 1), (ahead, 3)];
    for key in ["full", "roomy"] {
        db.record(key, 2 * HOUR, &hits);
    }
    db.record("short", 2 * HOUR, &[(ahead - 300, 1), (ahead - 200, 1), (ahead, 1)]);
    wait_until_in_step(&cluster[old], &cluster[new]);
    cluster.promote(new);

    let mut db = cluster[new].connect();
    let before = db.now_ms();
    let denied = db.decide("RL.CHECK full 6 2h");
    let after = db.now_ms();
    assert_eq!((denied.allowed, denied.retry_after_ms), (false, 2 * HOUR - 13_000));
    let newest = db.hits("full")[0].0;
    assert!((before..=after).contains(&newest), "{newest} is not now");
    assert_eq!(db.hits("full"), [(newest, 3), (newest - 3_000, 1), (newest - 13_000, 2)]);
    let expires_at: i64 = db.run("PEXPIRETIME full");
    assert!((newest + 2 * HOUR..=newest + 2 * HOUR + MAX_EXPIRY_DELAY_MS).contains(&expires_at));

    let allowed = (0..20).filter(|_| db.decide("RL.CHECK roomy 10 2h").allowed);
    assert_eq!(allowed.count(), 4);

    assert!(!db.decide("RL.CHECK short 3 400ms").allowed);
    let shifted = db.hits("short")[0].0;
    until("the short window has room again", || db.decide("RL.CHECK short 3 400ms").allowed);
    let hits = db.hits("short");
    assert!(hits[0].0 >= shifted + 100, "{hits:?}");
    assert_eq!(hits[1..], [(shifted, 1), (shifted - 200, 1), (shifted - 300, 1)]);

    // The replicas have the shift too, even after a promotion.
    cluster.assert_one_truth();
    cluster.promote(old);
    let mut db = cluster[old].connect();
    assert_eq!(db.hits("full")[0].0, newest);
    assert!(!db.decide("RL.CHECK roomy 10 2h").allowed);
    cluster.assert_one_truth();
}
