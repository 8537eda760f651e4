//! MULTI and WATCH.

use redis::Value;

use crate::support::{Client, Decision, Server};

/// Returns whether a transaction that watches `k` succeeds after another client ran `command`.
fn watch_survives(server: &Server, command: &str) -> bool {
    let (mut db, mut other) = (server.connect(), server.connect());
    db.run::<()>("WATCH k");
    other.attempt::<Value>(command).ok();
    db.run::<()>("MULTI");
    db.run::<()>("PING");
    db.run::<Value>("EXEC") != Value::Nil
}

fn prepared() -> (Server, Client) {
    let server = Server::start();
    let mut db = server.connect();
    for _ in 0..3 {
        db.decide("RL.CHECK k 3 1h");
    }
    (server, db)
}

#[test]
fn a_command_without_effect_does_not_break_a_watch() {
    let (server, _) = prepared();
    for command in [
        "RL.CHECK k 3 1h",
        "RL.CHECK k 9 1h 3 2h",
        "RL.CHECK k 5 1h COST 6",
        "RL.CHECK k 0 1h",
        "RL.CHECK k -1 1h",
        "RL.CHECK k 5 1x",
        "RL.PEEK k 5 1h",
        "RL.EXPLAIN k 5 1h",
        "RL.INSPECT k",
        "RL.HITS k",
        "RL.REFUND k FOO",
    ] {
        assert!(watch_survives(&server, command), "{command} broke a WATCH");
    }
}

#[test]
fn a_command_on_a_missing_key_does_not_break_a_watch() {
    let server = Server::start();
    for command in
        ["RL.CHECK k 5 1h COST 6", "RL.PEEK k 5 1h", "RL.REFUND k", "RL.RESET k", "RL.HITS k"]
    {
        assert!(watch_survives(&server, command), "{command} broke a WATCH");
    }
}

#[test]
fn a_change_of_the_log_breaks_a_watch() {
    let (server, _) = prepared();
    for command in [
        "RL.CHECK k 4 1h",
        "RL.REFUND k",
        "RL._RECORD 4000000000000 1 k 60000",
        // The log is ahead of the clock now, so even this denied check changes it: the check shifts the log.
        "RL.CHECK k 1 1h",
        "RL.RESET k",
        "RL.CHECK k 4 1h",
    ] {
        assert!(!watch_survives(&server, command), "{command} did not break a WATCH");
    }
}

#[test]
fn a_transaction_decides_like_its_single_commands() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("MULTI");
    for _ in 0..5 {
        db.run::<()>("RL.CHECK k 3 1h");
    }
    db.run::<()>("RL.REFUND k COST 2");
    db.run::<()>("RL.CHECK k 3 1h");
    let replies: Vec<Value> = db.run("EXEC");
    let allowed = |reply: &Value| {
        redis::from_redis_value::<Decision>(reply.clone()).map(|decision| decision.allowed)
    };
    let decisions: Vec<_> = replies.iter().map(allowed).collect();
    let expected = [true, true, true, false, false].map(Ok);
    assert_eq!(decisions[..5], expected);
    assert_eq!(replies[5], Value::Int(2));
    assert_eq!(decisions[6], Ok(true));
    assert_eq!(db.units("k"), 2);
}

#[test]
fn a_malformed_check_does_not_fail_its_transaction() {
    let server = Server::start();
    let mut db = server.connect();
    let request = b"MULTI\r\nRL.CHECK k 3 1h\r\nRL.CHECK k x 1h\r\nRL.CHECK k 3 1h\r\nEXEC\r\n";
    let reply = server.connect_raw().exchange_bytes(request);
    let reply = String::from_utf8(reply).expect("the reply is text");
    assert!(reply.contains("-ERR limit 'x' is not an integer"), "{reply}");
    assert_eq!(db.units("k"), 2);
}

#[test]
fn a_discarded_transaction_records_nothing() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("MULTI");
    db.run::<()>("RL.CHECK k 3 1h");
    db.run::<()>("DISCARD");
    assert_eq!(db.run::<i64>("DBSIZE"), 0);
}

#[test]
fn client_side_caching_is_invalidated_by_changes_and_not_by_denials() {
    let (server, mut db) = prepared();
    let mut raw = server.connect_raw();
    raw.exchange_bytes(b"HELLO 3\r\nCLIENT TRACKING ON\r\n");
    let read = b"RL.HITS k\r\n";
    raw.exchange_bytes(read);
    db.decide("RL.CHECK k 3 1h");
    let quiet = String::from_utf8(raw.exchange_bytes(read)).expect("text");
    assert!(!quiet.contains("invalidate"), "{quiet}");
    db.decide("RL.CHECK k 4 1h");
    let reply = String::from_utf8(raw.exchange_bytes(read)).expect("text");
    assert!(reply.contains("invalidate"), "{reply}");
}
