//! Keywords, arity and the number of rules: the accepted calls, and the exact errors.

use redis::Value;

use crate::support::Server;

#[test]
fn a_malformed_call_is_an_error_and_changes_nothing() {
    let server = Server::start();
    let mut db = server.connect();
    for (arguments, expected) in [
        ("5 60 5", "ERR limit '5' has no window"),
        ("5 60 FOO", "ERR unknown keyword 'FOO'"),
        ("5 60 FOO 1", "ERR unknown keyword 'FOO'"),
        ("5 60 POLICY gold", "ERR unknown keyword 'POLICY'"),
        ("5 60 COST", "ERR COST has no value"),
        ("5 60 cost", "ERR COST has no value"),
        ("5 60 COST 1 COST 1", "ERR COST is given twice"),
        ("5 60 COST 1 cost 1", "ERR COST is given twice"),
        ("5 60 COST 1 100", "ERR unexpected argument '100'"),
        ("5 60 COST 1 100 60", "ERR unexpected argument '100'"),
        ("5 60 COST 1 FOO", "ERR unexpected argument 'FOO'"),
        ("POLICY gold", "NOPOLICY no policy named 'gold'"),
        ("policy gold COST 1", "NOPOLICY no policy named 'gold'"),
        ("POLICY a\0b", "NOPOLICY no policy named 'a\\x00b'"),
        ("POLICY gold COST", "ERR COST has no value"),
        ("POLICY gold COST 0", "ERR cost '0' is not an integer from 1 to 1000000"),
        ("POLICY gold 5 60", "ERR unknown keyword '5'"),
        ("POLICY gold POLICY gold", "ERR unknown keyword 'POLICY'"),
        ("COST 5", "ERR limit 'COST' is not an integer from 0 to 1000000"),
    ] {
        for command in ["RL.CHECK", "RL.PEEK", "RL.EXPLAIN"] {
            assert_eq!(db.error(&format!("{command} k {arguments}")), expected);
        }
    }
    assert_eq!(db.run::<i64>("DBSIZE"), 0);
}

#[test]
fn refund_and_hits_name_an_unknown_word() {
    let server = Server::start();
    let mut db = server.connect();
    db.decide("RL.CHECK k 5 60 COST 3");
    let before = db.digest();
    for (command, expected) in [
        ("RL.REFUND k FOO", "ERR unknown keyword 'FOO'"),
        ("RL.REFUND k FOO 1", "ERR unknown keyword 'FOO'"),
        ("RL.REFUND k COST", "ERR COST has no value"),
        ("RL.REFUND k COST 1 COST 1", "ERR COST is given twice"),
        ("RL.HITS k FOO", "ERR unknown keyword 'FOO'"),
        ("RL.HITS k COST 1", "ERR unknown keyword 'COST'"),
        ("RL.HITS k COUNT", "ERR COUNT has no value"),
    ] {
        assert_eq!(db.error(command), expected);
    }
    for command in ["RL.REFUND k 5", "RL.REFUND k COST 1 5", "RL.HITS k 5", "RL.HITS k COUNT 1 5"] {
        let error = db.error(command);
        assert!(error.starts_with("ERR ") && error.contains("'5'"), "{error}");
    }
    let error = db.error("RL.HITS k COUNT 1 COUNT 1");
    assert!(error.starts_with("ERR COUNT"), "{error}");
    assert_eq!(db.digest(), before);
}

#[test]
fn a_call_of_the_wrong_arity_gets_the_servers_own_error() {
    let server = Server::start();
    let mut db = server.connect();
    for command in [
        "RL.CHECK",
        "RL.CHECK k",
        "RL.CHECK k 5",
        "RL.PEEK",
        "RL.PEEK k",
        "RL.PEEK k 5",
        "RL.EXPLAIN",
        "RL.EXPLAIN k 5",
        "RL.REFUND",
        "RL.RESET",
        "RL.RESET k k",
        "RL.INSPECT",
        "RL.INSPECT k k",
        "RL.HITS",
        "RL.MCHECK",
        "RL.MCHECK 1 k 5",
        "RL.OVERRIDE",
        "RL.OVERRIDE|SET k",
        "RL.OVERRIDE|GET",
        "RL.OVERRIDE|GET k k",
        "RL.OVERRIDE|DEL",
        "RL.OVERRIDE|DEL k k",
        "RL.POLICY",
        "RL.POLICY|SET gold 5",
        "RL.POLICY|GET",
        "RL.POLICY|DEL gold gold",
        "RL.POLICY|LIST gold",
        "RL.POLICY|EXPORT gold",
        "RL.POLICY|IMPORT",
        "RL.TOP",
        "RL._APPLY",
        "RL._APPLY k",
        "RL._RECORD 1700000000000 1 k",
        "RL._POLICY SET",
    ] {
        let name = command.split(' ').next().expect("a command has a name");
        let expected = format!("ERR wrong number of arguments for '{name}' command");
        let error = db.error(&command.replace('|', " "));
        assert_eq!(error.to_lowercase(), expected.to_lowercase(), "{command}");
    }
}

#[test]
fn a_second_rule_for_a_key_of_several_is_rejected_with_the_way_out() {
    let server = Server::start();
    let mut db = server.connect();
    for (arguments, key) in [
        ("1 k 5 1m 10 1h", "10"),
        ("1 k 5 1m 10 1h 100 1d", "10"),
        ("1 k 5 60 10 3600 100 86400", "86400"),
        ("1 k 5 60 l", "l"),
        ("1 k 5 60 l 5", "l"),
        ("1 k POLICY a POLICY b", "POLICY"),
    ] {
        let expected = format!(
            "ERR key '{key}' is not followed by one rule or POLICY name (for several rules of one key, use a policy)"
        );
        assert_eq!(db.error(&format!("RL.MCHECK {arguments}")), expected, "{arguments}");
    }
    let beyond = "ERR limit '1000001' is not an integer from 0 to 1000000";
    assert_eq!(db.error("RL.MCHECK 1 k 1000001 60"), beyond);
    assert_eq!(db.run::<i64>("DBSIZE"), 0);
}

#[test]
fn the_keys_of_one_command_are_bounded() {
    let server = Server::start();
    let mut db = server.connect();
    let keys = |count: usize| (0..count).map(|key| format!(" k{key} 5 60")).collect::<String>();
    assert_eq!(
        db.error(&format!("RL.MCHECK 1{}", keys(1_025))),
        "ERR 1025 keys are given, at most 1024 are allowed (rl.max-keys)"
    );
    assert_eq!(db.run::<i64>("DBSIZE"), 0);
    assert_eq!(db.run::<Vec<Value>>(&format!("RL.MCHECK 1{}", keys(1_024))).len(), 1_024);
    db.run::<()>("CONFIG SET rl.max-keys 2");
    assert!(db.error(&format!("RL.MCHECK 1{}", keys(3))).contains("at most 2 are allowed"));
    assert_eq!(db.run::<Vec<Value>>(&format!("RL.MCHECK 1{}", keys(2))).len(), 2);
}

#[test]
fn a_seventeenth_rule_is_rejected() {
    let server = Server::start();
    let mut db = server.connect();
    let rules = |count: usize| " 5 60".repeat(count);
    for count in [17, 18, 1000] {
        for cost in ["", " COST 2"] {
            assert_eq!(
                db.error(&format!("RL.CHECK k{}{cost}", rules(count))),
                format!("ERR {count} rules are given, at most 16 are allowed")
            );
        }
    }
    assert_eq!(db.run::<i64>("EXISTS k"), 0);
    assert!(db.decide(&format!("RL.CHECK k{}", rules(16))).allowed);
    assert!(db.decide(&format!("RL.CHECK k{} COST 2", rules(16))).allowed);
}

#[test]
fn keywords_and_commands_are_case_insensitive() {
    let server = Server::start();
    let mut db = server.connect();
    assert_eq!(db.decide("rl.check k 5 60 cost 2").remaining, 3);
    assert_eq!(db.decide("Rl.Peek k 5 60 cOsT 2").remaining, 3);
    assert_eq!(db.run::<Vec<Value>>("rl.hits k count 1").len(), 1);
    assert_eq!(db.run::<i64>("rl.refund k Cost 2"), 2);
}
