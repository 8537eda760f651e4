//! Policies on replicas: after a full or partial synchronisation, from the stream, and after a failover.

use crate::support::{
    Server, assert_same_dataset, policies, set_policies, until, wait_until_in_step,
};

#[track_caller]
fn assert_same_policies(primary: &Server, replica: &Server, what: &str) {
    assert_same_dataset(primary, replica);
    assert_eq!(policies(&mut replica.connect()), policies(&mut primary.connect()), "{what}");
}

#[test]
fn a_new_replica_has_only_its_primarys_policies() {
    for sync in ["repl-diskless-sync no", "repl-diskless-sync yes"] {
        for load in ["disabled", "on-empty-db", "swapdb"] {
            let server = Server::with(&[sync]);
            let replica = Server::with(&[&format!("repl-diskless-load {load}")]);
            set_policies(&mut server.connect(), 1);
            set_policies(&mut replica.connect(), 2);
            replica.connect().run::<()>("RL.POLICY SET api/search SHADOW 1 1s");
            replica.follow(&server);
            assert_same_policies(&server, &replica, &format!("{sync}, {load}"));
            assert!(policies(&mut replica.connect()).0.contains("of:1"));
        }
    }
}

#[test]
fn a_primary_without_policies_removes_those_of_its_replica() {
    for load in ["disabled", "on-empty-db", "swapdb"] {
        let server = Server::start();
        let replica = Server::with(&[&format!("repl-diskless-load {load}")]);
        set_policies(&mut replica.connect(), 2);
        replica.follow(&server);
        assert_same_policies(&server, &replica, load);
        assert_eq!(policies(&mut replica.connect()).0, r#"{"policies":[]}"#);
    }
}

#[test]
fn every_change_reaches_replicas_and_their_replicas() {
    let server = Server::start();
    let middle = server.start_replica(&[]);
    let last = middle.start_replica(&[]);
    let mut db = server.connect();
    let text =
        r#"{"policies":[{"name":"only","shadow":true,"rules":[{"limit":5,"window":"1m"}]}]}"#;
    for change in [
        "RL.POLICY SET a 5 1h 50 1d".to_owned(),
        "RL.POLICY SET a SHADOW 6 1h".into(),
        "RL.POLICY SET b 7 1500ms".into(),
        "RL.POLICY DEL a".into(),
        format!("RL.POLICY IMPORT {text}"),
        "FLUSHALL".into(),
        "RL.POLICY SET c 7 1h".into(),
    ] {
        db.run::<redis::Value>(&change);
        db.decide("RL.CHECK k 5 1h");
        assert_same_policies(&server, &middle, &change);
        wait_until_in_step(&middle, &last);
        assert_eq!(policies(&mut last.connect()), policies(&mut db), "{change}");
    }
    assert_eq!(db.run::<Vec<String>>("RL.POLICY LIST"), ["c", "only"]);
}

#[test]
fn a_replica_reads_policies_and_does_not_change_them() {
    let server = Server::start();
    set_policies(&mut server.connect(), 1);
    let replica = server.start_replica(&[]);
    let mut reader = replica.connect();
    let before = policies(&mut reader);
    for command in [
        "RL.POLICY SET a 5 1h",
        "RL.POLICY DEL trial",
        r#"RL.POLICY IMPORT {"policies":[]}"#,
        "RL.CHECK k POLICY trial",
        "RL._POLICY DEL trial",
    ] {
        let error = reader.error(command);
        assert!(error.starts_with("READONLY"), "{command}: {error}");
    }
    assert_eq!(policies(&mut reader), before);
    assert!(reader.decide("RL.PEEK k POLICY of:1").allowed);
    assert_eq!(reader.error("RL.PEEK k POLICY nobody"), "NOPOLICY no policy named 'nobody'");
}

#[test]
fn a_replica_that_reconnects_gets_the_changes_it_missed() {
    let server = Server::start();
    let replica = server.start_replica(&[]);
    let mut db = server.connect();
    set_policies(&mut db, 1);
    for mark in 2..5 {
        db.run::<i64>("CLIENT KILL TYPE replica");
        set_policies(&mut db, mark);
        db.run::<i64>("RL.POLICY DEL trial");
        assert_same_policies(&server, &replica, "after a lost link");
    }
    assert!(db.info_number("sync_partial_ok") >= 3);
    assert_eq!(db.info("sync_full"), "1");
}

#[test]
fn a_promoted_replica_keeps_the_policies_and_the_old_primary_follows() {
    let server = Server::start();
    set_policies(&mut server.connect(), 1);
    let replica = server.start_replica(&[]);
    set_policies(&mut server.connect(), 2);
    wait_until_in_step(&server, &replica);
    let mut promoted = replica.connect();
    promoted.run::<()>("REPLICAOF NO ONE");
    assert_eq!(policies(&mut promoted), policies(&mut server.connect()));
    assert!(promoted.decide("RL.CHECK k POLICY long").allowed);
    assert!(!promoted.decide("RL.CHECK k POLICY long").allowed);
    promoted.run::<()>("RL.POLICY SET new 5 1h");
    // The old primary loses its own changes.
    server.connect().run::<()>("RL.POLICY SET stray 5 1h");
    server.follow(&replica);
    assert_same_policies(&replica, &server, "the old primary follows");
    let names: Vec<String> = server.connect().run("RL.POLICY LIST");
    assert!(names.contains(&"new".to_owned()) && !names.contains(&"stray".to_owned()));
}

#[test]
fn counts_are_per_node() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET p 1 1h");
    db.decide("RL.CHECK k POLICY p");
    let replica = server.start_replica(&[]);
    db.decide("RL.CHECK k POLICY p");
    db.run::<()>("RL.POLICY SET p 2 1h");
    db.decide("RL.CHECK k POLICY p");
    assert_same_policies(&server, &replica, "with checks in between");
    let own = "checks=3,allowed=2,denied=1,shadow_denied=0,overridden=0,near=2";
    assert_eq!(db.info("rl_policy_p"), own);
    let mut reader = replica.connect();
    let none = "checks=0,allowed=0,denied=0,shadow_denied=0,overridden=0,near=0";
    assert_eq!(reader.info("rl_policy_p"), none);
    assert_eq!(reader.info("rl_checks"), "0");
}

#[test]
fn a_replica_keeps_its_policies_when_a_synchronisation_fails() {
    // The large keys are saved slowly. The policies come first, so the replica loads them long before the end.
    let server = Server::with(&["rdb-key-save-delay 200000", "rdbcompression no"]);
    let mut db = server.connect();
    set_policies(&mut db, 1);
    for key in 0..100 {
        db.run::<()>(["SET", &format!("key:{key}"), &"x".repeat(40_000)]);
    }
    let replica = Server::with(&["repl-diskless-load on-empty-db"]);
    let mut link = replica.connect();
    set_policies(&mut link, 2);
    let before = policies(&mut link);
    replica.begin_to_follow(&server);
    until("the replica loads", || {
        let info: String = link.run("INFO persistence");
        info.contains("\nloading:1")
    });
    drop(server);
    until("the replica has aborted the synchronisation", || {
        let info: String = link.run("INFO persistence");
        info.contains("\nloading:0")
    });
    assert_eq!(policies(&mut link), before);
    assert_eq!(link.run::<i64>("DBSIZE"), 0);
}
