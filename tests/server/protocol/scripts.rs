//! Lua scripts and functions.

use redis::Value;

use crate::support::{Decision, Server, stream_of, until};

const CHECK: &str = "return redis.call('RL.CHECK', KEYS[1], ARGV[1], ARGV[2])";

#[test]
fn a_script_gets_the_six_integers() {
    let server = Server::start();
    let mut db = server.connect();
    let first: Decision = db.run(["EVAL", CHECK, "1", "k", "2", "1h"]);
    assert_eq!((first.allowed, first.remaining), (true, 1));
    assert_eq!(first.reset_after_ms, 3_600_000);
    db.decide("RL.CHECK k 2 1h");
    let denied: Decision = db.run(["EVAL", CHECK, "1", "k", "2", "1h"]);
    assert!(!denied.allowed);
    assert!((3_590_000..=3_600_000).contains(&denied.retry_after_ms));
}

#[test]
fn a_script_may_catch_the_error() {
    let server = Server::start();
    let mut db = server.connect();
    let script = "return redis.pcall('RL.CHECK', KEYS[1], 'x', 60).err";
    let error: String = db.run(["EVAL", script, "1", "k"]);
    assert_eq!(error, "ERR limit 'x' is not an integer from 0 to 1000000");
}

#[test]
fn a_function_checks_and_peeks() {
    let server = Server::start();
    let mut db = server.connect();
    let library = "#!lua name=limits\n\
        redis.register_function('check', function(keys, args) \
            return redis.call('RL.CHECK', keys[1], args[1], args[2]) end)\n\
        redis.register_function{function_name='peek', flags={'no-writes'}, \
            callback=function(keys, args) \
            return redis.call('RL.PEEK', keys[1], args[1], args[2]) end}";
    db.run::<()>(["FUNCTION", "LOAD", library]);
    assert_eq!(db.decide("FCALL check 1 k 5 1h").remaining, 4);
    assert_eq!(db.decide("FCALL_RO peek 1 k 5 1h").remaining, 4);
    assert!(db.error("FCALL_RO check 1 k 5 1h").starts_with("ERR"));
    assert_eq!(db.units("k"), 1);
}

#[test]
fn a_read_only_script_may_peek_and_not_check() {
    let server = Server::start();
    let mut db = server.connect();
    let peek = CHECK.replace("CHECK", "PEEK");
    let decision: Decision = db.run(["EVAL_RO", &peek, "1", "k", "5", "1h"]);
    assert_eq!(decision.remaining, 5);
    let error = db.error(["EVAL_RO", CHECK, "1", "k", "5", "1h"]);
    assert!(error.contains("Write commands are not allowed"), "{error}");
    assert_eq!(db.run::<i64>("DBSIZE"), 0);
}

#[test]
fn a_long_script_cannot_exceed_the_limit() {
    let server = Server::start();
    let mut db = server.connect();
    let script = "local allowed = 0 \
        for i = 1, 5000 do \
            allowed = allowed + redis.call('RL.CHECK', KEYS[1], 1234, '1h', 4000, '1d')[1] \
        end return allowed";
    assert_eq!(db.run::<i64>(["EVAL", script, "1", "k"]), 1234);
    assert_eq!(db.units("k"), 1234);
}

#[test]
fn the_effects_of_a_script_or_transaction_reach_replicas_as_one_unit() {
    let script = "redis.call('RL.CHECK', 'a', 5, '1h') redis.call('RL.CHECK', 'b', 5, '1h')";
    let in_script = stream_of(|db| db.run::<()>(["EVAL", script, "2", "a", "b"]));
    let in_transaction = stream_of(|db| {
        db.run::<()>("MULTI");
        db.run::<()>("RL.CHECK a 5 1h");
        db.run::<()>("RL.CHECK b 5 1h");
        db.run::<Value>("EXEC");
    });
    for stream in [in_script, in_transaction] {
        let order = ["MULTI", "A\r\n$7\r\n3600000", "B\r\n$7\r\n3600000", "EXEC"];
        let places = order.map(|text| stream.find(text).expect("the text is in the stream"));
        assert!(places.is_sorted(), "{stream}");
        assert_eq!(stream.matches("RL._RECORD").count(), 2, "{stream}");
        assert!(!stream.contains("RL.CHECK"), "{stream}");
    }
}

#[test]
fn a_replica_receives_effects_and_never_requests() {
    let stream = stream_of(|db| {
        db.decide("RL.CHECK k 5 1h COST 3");
        db.decide("RL.CHECK k 5 1h COST 3");
        db.run::<i64>("RL.REFUND k");
        db.run::<i64>("RL.RESET k");
    });
    for question in ["RL.CHECK", "RL.REFUND", "RL.RESET"] {
        assert!(!stream.contains(question), "{stream}");
    }
    assert_eq!(stream.matches("RL._RECORD").count(), 1, "{stream}");
    assert_eq!(stream.matches("REFUND").count(), 1, "{stream}");
    assert!(!stream.contains("PEXPIRE"), "{stream}");
}

#[test]
fn scripts_on_many_connections_do_not_exceed_the_limit() {
    let server = Server::start();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let mut db = server.connect();
            scope.spawn(move || {
                for _ in 0..100 {
                    db.run::<()>(["EVAL", CHECK, "1", "k", "250", "1h"]);
                }
            });
        }
    });
    let mut db = server.connect();
    until("all units are recorded", || db.units("k") == 250);
}
