//! Effects are skipped only while nothing can ever need them.
//!
//! In each test, writers write while something starts or stops needing the effects. After they stop, both sides
//! must have the same dataset.

use crate::support::{Load, Mix, Server, ServerVersion, Stop, assert_same_dataset, until};

/// Attaches one replica after another to a server under load.
fn attach_under_load(lines: &[&str]) {
    let server = Server::with(lines);
    let load = Load::on(&server, Mix::Lasting);
    load.advance(300);
    let replicas: Vec<_> = (0..3)
        .map(|_| {
            let replica = server.start_replica(&[]);
            load.advance(100);
            replica
        })
        .collect();
    load.advance(300);
    load.stop();
    for replica in &replicas {
        assert_same_dataset(&server, replica);
    }
}

#[test]
fn a_replica_that_attaches_by_socket_under_load_misses_no_effect() {
    attach_under_load(&["repl-diskless-sync yes", "repl-diskless-sync-delay 0"]);
}

#[test]
fn a_replica_that_attaches_by_socket_after_a_delay_misses_no_effect() {
    attach_under_load(&["repl-diskless-sync yes", "repl-diskless-sync-delay 1"]);
}

#[test]
fn a_replica_that_attaches_by_file_under_load_misses_no_effect() {
    attach_under_load(&["repl-diskless-sync no"]);
}

#[test]
fn a_replica_that_attaches_by_two_channels_under_load_misses_no_effect() {
    let setting = match Server::start().server_version() {
        ServerVersion::Redis { major: 8.., .. } => "repl-rdb-channel yes",
        ServerVersion::Valkey { major: 8.., .. } => "dual-channel-replication-enabled yes",
        _ => {
            println!("skipped: this server has no second channel for replicas");
            return;
        }
    };
    let server = Server::with(&[setting]);
    let load = Load::on(&server, Mix::Lasting);
    load.advance(300);
    let replica = server.start_replica(&[setting]);
    load.advance(300);
    load.stop();
    assert_same_dataset(&server, &replica);
}

#[test]
fn replicas_that_share_one_snapshot_miss_no_effect() {
    for method in ["repl-diskless-sync yes", "repl-diskless-sync no"] {
        let server = Server::with(&[method, "repl-diskless-sync-delay 1"]);
        let replicas = [Server::start(), Server::start()];
        let load = Load::on(&server, Mix::Lasting);
        load.advance(100);
        for replica in &replicas {
            replica.begin_to_follow(&server);
            load.advance(50);
        }
        let mut links = replicas.each_ref().map(Server::connect);
        for link in &mut links {
            until("the replica's link is up", || link.info("master_link_status") == "up");
        }
        load.advance(200);
        load.stop();
        for replica in &replicas {
            assert_same_dataset(&server, replica);
        }
    }
}

#[test]
fn a_replica_misses_no_effect_when_a_snapshot_is_already_in_progress() {
    let server = Server::with(&["repl-diskless-sync no", "rdb-key-save-delay 200"]);
    let load = Load::on(&server, Mix::Lasting);
    load.advance(500);
    let mut db = server.connect();
    db.run::<()>("BGSAVE");
    load.advance(100);
    let replica = server.start_replica(&[]);
    load.advance(300);
    load.stop();
    assert_same_dataset(&server, &replica);
}

#[test]
fn a_replica_that_comes_back_after_the_backlog_expired_misses_no_effect() {
    let server = Server::with(&["repl-backlog-ttl 1"]);
    let replica = server.start_replica(&[]);
    let mut db = server.connect();
    for _ in 0..2 {
        let load = Load::on(&server, Mix::Lasting);
        load.advance(200);
        replica.connect().run::<()>("REPLICAOF NO ONE");
        load.advance(200);
        load.stop();
        until("the backlog is freed", || db.info("repl_backlog_active") == "0");
        let load = Load::on(&server, Mix::Lasting);
        load.advance(200);
        replica.follow(&server);
        load.advance(200);
        load.stop();
        assert_same_dataset(&server, &replica);
    }
}

#[test]
fn a_replica_that_restarts_under_load_misses_no_effect() {
    let server = Server::start();
    let mut replica = server.start_replica(&[]);
    let load = Load::on(&server, Mix::Lasting);
    for how in [Stop::Kill, Stop::Save, Stop::Kill] {
        load.advance(200);
        replica.restart(how);
        load.advance(100);
        replica.follow(&server);
    }
    load.advance(200);
    load.stop();
    assert_same_dataset(&server, &replica);
}

#[test]
fn a_replica_that_aborts_a_sync_misses_no_effect() {
    let server = Server::with(&["repl-diskless-sync-delay 1"]);
    let replica = Server::start();
    let load = Load::on(&server, Mix::Lasting);
    let mut db = server.connect();
    for _ in 0..3 {
        load.advance(100);
        replica.begin_to_follow(&server);
        until("the primary knows of its replica", || db.info("connected_slaves") == "1");
        replica.connect().run::<()>("REPLICAOF NO ONE");
        load.advance(100);
    }
    replica.follow(&server);
    load.advance(200);
    load.stop();
    assert_same_dataset(&server, &replica);
}

#[test]
fn a_replica_that_is_disconnected_between_two_effects_gets_both() {
    let server = Server::start();
    let replica = server.start_replica(&[]);
    let mut db = server.connect();
    for _ in 0..10 {
        db.decide("RL.CHECK k 1000 1h");
        db.run::<i64>("CLIENT KILL TYPE replica");
        // No replica is connected now. The backlog must contain this effect nevertheless.
        db.decide("RL.CHECK k 1000 1h");
        db.run::<i64>("RL.REFUND k COST 1");
        db.decide("RL.CHECK l 1000 1h COST 2");
    }
    assert_same_dataset(&server, &replica);
    assert_eq!(replica.connect().units("l"), 20);
}

/// Makes a server write a snapshot by itself, without a fork, while a replica waits for its first fork. Another server
/// then resumes from that snapshot.
fn resume_from_snapshot_without_fork(save: &str) {
    let server = Server::with(&["repl-diskless-sync-delay 3600", "save 3600 1000000"]);
    let mut db = server.connect();
    db.decide("RL.CHECK k 1000 1h");
    let waiting = Server::start();
    waiting.begin_to_follow(&server);
    until("the replica waits for its fork", || db.info("connected_slaves") == "1");
    db.run::<()>(save);
    db.run::<()>("RL.OVERRIDE SET banned DENY EX 3600");
    for _ in 0..5 {
        db.decide("RL.CHECK k 1000 1h");
    }
    let replica = server.start_replica_from_snapshot(&[]);
    assert_eq!(db.info("sync_partial_ok"), "1");
    assert_same_dataset(&server, &replica);
}

#[test]
fn a_server_that_resumes_from_a_save_misses_no_effect() {
    resume_from_snapshot_without_fork("SAVE");
}

#[test]
fn a_server_that_resumes_from_the_save_of_a_flush_misses_no_effect() {
    resume_from_snapshot_without_fork("FLUSHALL");
}
