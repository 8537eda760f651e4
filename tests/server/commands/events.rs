//! The keyspace events of changes: a deleted key, and an override that is set, changed, removed or has ended.

use redis::Value;

use crate::support::{Events, Server, until, wait_until_in_step};

/// Deletions and the module's own events.
const ON: &str = "notify-keyspace-events KEgd";

#[test]
fn a_command_that_deletes_its_key_publishes_a_deletion() {
    let server = Server::with(&[ON]);
    let replica = server.start_replica(&[ON]);
    let (mut events, mut copies) = (Events::of(&server), Events::of(&replica));
    let mut db = server.connect();
    for (commands, expected) in [
        (["RL.CHECK k 5 1h", "RL.RESET k"], vec!["0 del k"]),
        (["RL.CHECK k 5 1h COST 3", "RL.REFUND k COST 2"], vec![]),
        (["RL.PEEK k 5 1h", "RL.REFUND k COST 5"], vec!["0 del k"]),
        (["RL.REFUND k", "RL.RESET k"], vec![]),
        (
            ["RL.OVERRIDE SET k ALLOW", "RL.OVERRIDE DEL k"],
            vec!["0 rl.override_set k", "0 rl.override_removed k", "0 del k"],
        ),
        (["RL.OVERRIDE DEL k", "RL.OVERRIDE DEL k"], vec![]),
    ] {
        for command in commands {
            db.run::<Value>(command);
        }
        assert_eq!(events.all(), expected, "{commands:?}");
        wait_until_in_step(&server, &replica);
        assert_eq!(copies.all(), expected, "the replica, after {commands:?}");
    }
}

#[test]
fn a_key_that_is_left_with_expired_units_or_an_ended_override_is_deleted() {
    const ON: &str = "notify-keyspace-events KEgdx";
    let server = Server::with(&[ON]);
    let replica = server.start_replica(&[ON]);
    let (mut events, mut copies) = (Events::of(&server), Events::of(&replica));
    let mut db = server.connect();
    // The override outlives the units.
    db.decide("RL.CHECK k 5 20ms COST 2");
    db.run::<()>("RL.OVERRIDE SET k DENY");
    until("the units have expired", || db.run::<Vec<Value>>("RL.HITS k").is_empty());
    db.run::<i64>("RL.OVERRIDE DEL k");
    assert_eq!(db.run::<i64>("DBSIZE"), 0);
    let expected = ["0 rl.override_set k", "0 rl.override_removed k", "0 del k"];
    assert_eq!(events.all(), expected);
    wait_until_in_step(&server, &replica);
    assert_eq!(copies.all(), expected);
    // The units outlive the override.
    db.decide("RL.CHECK r 5 1h COST 2");
    db.run::<()>("RL.OVERRIDE SET r DENY PX 20");
    let mut before = Vec::new();
    until("the end is published", || {
        before.extend(events.all());
        before.iter().any(|event| event == "0 rl.override_ended r")
    });
    assert_eq!(db.run::<i64>("RL.RESET r"), 2);
    assert_eq!(db.run::<i64>("DBSIZE"), 0);
    assert_eq!(events.all(), ["0 del r"]);
    wait_until_in_step(&server, &replica);
    assert_eq!(copies.all(), ["0 rl.override_set r", "0 del r"]);
}

#[test]
fn each_change_of_an_override_is_published() {
    let server = Server::with(&[ON]);
    let mut events = Events::of(&server);
    let mut db = server.connect();
    for (command, expected) in [
        ("RL.CHECK k 5 1h", [].as_slice()),
        ("RL.OVERRIDE SET k DENY EX 600", &["0 rl.override_set k"]),
        ("RL.OVERRIDE SET k LIMIT 5 1m", &["0 rl.override_changed k"]),
        ("RL.RESET k", &[]),
        ("RL.OVERRIDE DEL k", &["0 rl.override_removed k", "0 del k"]),
        ("RL.OVERRIDE SET k ALLOW", &["0 rl.override_set k"]),
        ("DEL k", &["0 del k"]),
    ] {
        db.run::<Value>(command);
        assert_eq!(events.all(), expected, "{command}");
    }
}

/// Waits for events and returns them, sorted.
fn wait_for(events: &mut Events, count: usize) -> Vec<String> {
    let mut received = Vec::new();
    until("the events arrive", || {
        received.extend(events.all());
        received.len() >= count
    });
    received.sort();
    received
}

#[test]
fn the_end_of_an_override_is_published_once() {
    let server = Server::with(&["notify-keyspace-events KEd"]);
    let replica = server.start_replica(&["notify-keyspace-events KEd"]);
    let (mut events, mut copies) = (Events::of(&server), Events::of(&replica));
    let mut db = server.connect();
    db.decide("RL.CHECK used 5 1h");
    db.run::<()>("RL.OVERRIDE SET used DENY PX 40");
    db.run::<()>("RL.OVERRIDE SET unused DENY PX 30");
    db.run::<()>("RL.OVERRIDE SET removed DENY PX 60");
    db.run::<()>("RL.OVERRIDE SET later DENY PX 20");
    db.run::<()>("RL.OVERRIDE SET later DENY EX 600");
    db.run::<i64>("RL.OVERRIDE DEL removed");
    db.run::<()>("SELECT 3");
    db.run::<()>("RL.OVERRIDE SET other ALLOW PX 50");
    db.run::<()>("RL.OVERRIDE SET last ALLOW PX 80");
    let expected = [
        "0 rl.override_changed later",
        "0 rl.override_ended unused",
        "0 rl.override_ended used",
        "0 rl.override_removed removed",
        "0 rl.override_set later",
        "0 rl.override_set removed",
        "0 rl.override_set unused",
        "0 rl.override_set used",
        "3 rl.override_ended last",
        "3 rl.override_ended other",
        "3 rl.override_set last",
        "3 rl.override_set other",
    ];
    assert_eq!(wait_for(&mut events, expected.len()), expected);
    // The primary publishes the ends.
    wait_until_in_step(&server, &replica);
    assert!(!copies.all().iter().any(|event| event.contains("ended")));
    assert_eq!(events.all(), Vec::<String>::new());
}

#[test]
fn an_end_is_not_published_again_for_a_value_that_is_loaded_or_moved() {
    let server = Server::with(&["notify-keyspace-events KEd"]);
    let mut events = Events::of(&server);
    let mut db = server.connect();
    db.decide("RL.CHECK k 5 1h");
    db.run::<()>("RL.OVERRIDE SET k DENY PX 20");
    assert_eq!(wait_for(&mut events, 2), ["0 rl.override_ended k", "0 rl.override_set k"]);
    for command in ["DEBUG RELOAD", "RENAME k l", "COPY l m", "MOVE m 1"] {
        db.run::<Value>(command);
    }
    // Ends come in order, so this one follows any other.
    db.run::<()>("RL.OVERRIDE SET last DENY PX 20");
    assert_eq!(wait_for(&mut events, 2), ["0 rl.override_ended last", "0 rl.override_set last"]);
}

#[test]
fn an_end_is_published_after_a_restart_and_a_failover() {
    let lines = ["notify-keyspace-events KEd", "appendonly yes", "appendfsync always"];
    let mut server = Server::with(&lines);
    let replica = server.start_replica(&lines);
    let mut db = server.connect();
    db.run::<()>("RL.OVERRIDE SET k DENY PX 5000");
    let end = db.override_end("k");
    wait_until_in_step(&server, &replica);
    server.restart(crate::support::Stop::Kill);
    replica.connect().run::<()>("REPLICAOF NO ONE");
    let subscribers = [&server, &replica].map(Events::of);
    for (mut events, node) in subscribers.into_iter().zip([&server, &replica]) {
        assert_eq!(wait_for(&mut events, 1), ["0 rl.override_ended k"]);
        assert!(node.connect().now_ms() >= end);
    }
}

#[test]
fn a_thousand_ends_at_once_are_all_published() {
    let server = Server::with(&["notify-keyspace-events KEd"]);
    let mut db = server.connect();
    let end = db.now_ms() + 1_000;
    let fill = "for key = 1, 1000 do redis.call('RL._APPLY', 'k' .. key, 'OVERRIDE', 1, 'DENY ' .. ARGV[1]) end";
    let mut events = Events::of(&server);
    db.run::<()>(["EVAL", fill, "0", &end.to_string()]);
    let received = wait_for(&mut events, 2_000);
    let ended = received.iter().filter(|event| event.starts_with("0 rl.override_ended k"));
    assert_eq!((ended.count(), received.len()), (1_000, 2_000));
}
