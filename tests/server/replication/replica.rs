//! A replica has the same log, bit for bit, and serves reads from it.

use redis::Value;

use crate::support::wait_until_in_step;
use crate::support::{Client, Load, Mix, Server, assert_same_dataset, dataset, until};

#[test]
fn a_replica_serves_reads_and_rejects_writes() {
    let server = Server::start();
    let replica = server.start_replica(&[]);
    let mut db = server.connect();
    db.decide("RL.CHECK k 5 1h COST 2");
    wait_until_in_step(&server, &replica);
    let mut reader = replica.connect();
    assert_eq!(reader.decide("RL.PEEK k 5 1h").remaining, 3);
    assert_eq!(reader.hits("k"), db.hits("k"));
    assert_eq!(reader.run::<Vec<Value>>("RL.INSPECT k"), db.run::<Vec<Value>>("RL.INSPECT k"));
    for command in [
        "RL.CHECK k 5 1h",
        "RL.CHECK k 1 1h",
        "RL.MCHECK 1 k 5 1h",
        "RL.REFUND k",
        "RL.RESET k",
        "RL.OVERRIDE SET k DENY",
        "RL.POLICY SET gold 5 1h",
        "RL._APPLY k RESET",
        "RL._RECORD 1700000000000 1 k 60000",
        "RL._POLICY DEL gold",
    ] {
        let error = reader.error(command);
        assert!(error.starts_with("READONLY"), "{command}: {error}");
    }
    assert_same_dataset(&server, &replica);
}

#[test]
fn denied_checks_and_reads_replicate_nothing() {
    let server = Server::start();
    let replica = server.start_replica(&[]);
    let mut db = server.connect();
    db.decide("RL.CHECK k 2 1h COST 2");
    wait_until_in_step(&server, &replica);
    let before = db.info("master_repl_offset");
    for _ in 0..100 {
        assert!(!db.decide("RL.CHECK k 2 1h").allowed);
        assert!(!db.decide("RL.CHECK k 5 2h 2 1h COST 3").allowed);
        assert!(!db.decide("RL.CHECK new 2 1h COST 3").allowed);
        db.decide("RL.PEEK k 5 1h");
        db.hits("k");
        db.run::<Value>("RL.INSPECT k");
        db.run::<i64>("RL.REFUND missing");
        db.run::<i64>("RL.RESET missing");
        assert!(!db.decide("RL.CHECK k 0 1h").allowed);
        db.error("RL.CHECK k -1 1h");
    }
    assert_eq!(db.info("master_repl_offset"), before);
    assert!(db.decide("RL.CHECK k 3 1h").allowed);
    assert_ne!(db.info("master_repl_offset"), before);
}

#[test]
fn a_replica_agrees_while_units_and_keys_expire() {
    let server = Server::start();
    let replica = server.start_replica(&[]);
    let mut db = server.connect();
    let load = Load::on(&server, Mix::Passing);
    load.advance(6000);
    // No key expires during the comparison below.
    db.run::<()>("DEBUG SET-ACTIVE-EXPIRE 0");
    load.advance(300);
    load.stop();
    wait_until_in_step(&server, &replica);
    assert_eq!(db.digest(), replica.connect().digest());
    db.run::<()>("DEBUG SET-ACTIVE-EXPIRE 1");
    until("all keys are gone on both sides", || {
        [&server, &replica].map(Server::connect).iter_mut().all(|db| {
            let keyspace: String = db.run("INFO keyspace");
            !keyspace.contains("db0:") && !keyspace.contains("db1:")
        })
    });
}

#[test]
fn a_replicas_keys_expire_and_are_never_persistent() {
    let server = Server::start();
    let replica = server.start_replica(&[]);
    let mut db = server.connect();
    for window in ["300ms", "1h", "366d"] {
        db.decide(&format!("RL.CHECK k:{window} 5 {window}"));
    }
    wait_until_in_step(&server, &replica);
    let mut reader = replica.connect();
    for window in ["1h", "366d"] {
        let key = format!("k:{window}");
        let expires_at: i64 = db.run(["PEXPIRETIME", &key]);
        assert!(expires_at > 0);
        assert_eq!(reader.run::<i64>(["PEXPIRETIME", &key]), expires_at);
    }
    until("the short window has ended", || reader.decide("RL.PEEK k:300ms 5 300ms").remaining == 5);
    until("the key is gone", || reader.run::<i64>("DBSIZE") == 2);
}

#[test]
fn an_expiry_changed_by_a_user_is_equal_on_both_sides() {
    let server = Server::start();
    let mut db = server.connect();
    let commands = ["PERSIST", "PEXPIRE 60000", "PEXPIRE 90000000", "RENAME"];
    let change = |db: &mut Client, key: &str, command: &str| match command.split_once(' ') {
        None if command == "RENAME" => db.run::<()>(["RENAME", key, "other"]),
        None => db.run([command, key]),
        Some((command, argument)) => db.run([command, key, argument]),
    };
    for (place, command) in commands.iter().enumerate() {
        let key = format!("before:{place}");
        db.decide(&format!("RL.CHECK {key} 5 1h"));
        change(&mut db, &key, command);
    }
    // This replica loads the expiry that the primary has cached.
    let replica = server.start_replica(&[]);
    for (place, command) in commands.iter().enumerate() {
        let key = format!("after:{place}");
        db.decide(&format!("RL.CHECK {key} 5 1h"));
        change(&mut db, &key, command);
    }
    assert_same_dataset(&server, &replica);
    let keys: Vec<String> = db.run("KEYS *");
    for key in keys {
        db.decide(&format!("RL.CHECK {key} 5 1h"));
    }
    assert_same_dataset(&server, &replica);
}

#[test]
fn a_replica_that_lost_its_link_resynchronises_partially_and_agrees() {
    let server = Server::start();
    let replica = server.start_replica(&[]);
    let mut db = server.connect();
    let load = Load::on(&server, Mix::Lasting);
    for _ in 0..5 {
        load.advance(200);
        db.run::<i64>("CLIENT KILL TYPE replica");
        load.advance(200);
    }
    load.stop();
    assert_same_dataset(&server, &replica);
    assert!(db.info_number("sync_partial_ok") > 0);
    assert_eq!(db.info("sync_full"), "1");
}

#[test]
fn a_chain_of_replicas_agrees() {
    let server = Server::start();
    let middle = server.start_replica(&[]);
    let last = middle.start_replica(&[]);
    let load = Load::on(&server, Mix::Lasting);
    load.advance(1500);
    load.stop();
    assert_same_dataset(&server, &middle);
    assert_same_dataset(&middle, &last);
}

#[test]
fn a_wait_for_replicas_covers_a_check() {
    let server = Server::start();
    let replica = server.start_replica(&[]);
    let mut db = server.connect();
    let mut reader = replica.connect();
    for remaining in (0..50).rev() {
        db.decide("RL.CHECK k 50 1h");
        assert_eq!(db.run::<i64>("WAIT 1 10000"), 1);
        assert_eq!(reader.decide("RL.PEEK k 50 1h").remaining, remaining);
    }
}

/// Returns the digest of every value. Two nodes have equal digests whenever their offsets are equal.
fn digests(db: &mut Client) -> Vec<String> {
    let keys: Vec<_> = (0..40).map(|key| format!("key:{key}")).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    db.value_digests(&keys)
}

#[test]
fn values_agree_at_every_moment() {
    let server = Server::start();
    let replica = server.start_replica(&[]);
    let (mut db, mut reader) = (server.connect(), replica.connect());
    for _ in 0..15 {
        let load = Load::on(&server, Mix::Lasting);
        load.advance(100);
        load.stop();
        wait_until_in_step(&server, &replica);
        assert_eq!(digests(&mut db), digests(&mut reader));
        // Neither a read nor a denied check changes a log.
        for key in 0..40 {
            db.decide(&format!("RL.CHECK key:{key} 1 3d COST 2"));
            reader.decide(&format!("RL.PEEK key:{key} 1 3d"));
        }
        assert_eq!(digests(&mut db), digests(&mut reader));
    }
    assert_eq!(dataset(&mut db), dataset(&mut reader));
}
