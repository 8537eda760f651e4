//! A replica takes over, and the old primary follows it.

use crate::support::{Load, Mix, Server, Stop, assert_same_dataset, until, wait_until_in_step};

#[test]
fn a_promoted_replica_goes_on_where_its_primary_was() {
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
fn an_orderly_failover_to_and_fro_loses_nothing() {
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
    // These come before, while and after the replica finds its primary again.
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
fn replicas_with_an_aof_load_what_their_primary_has() {
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
