//! Errors of `RL.OVERRIDE`. They name the wrong argument, and nothing changes.

use crate::support::Server;

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";

#[test]
fn every_bad_argument_is_named_and_changes_nothing() {
    let server = Server::start();
    let mut db = server.connect();
    db.decide("RL.CHECK k 9 1h COST 4");
    db.run::<()>("RL.OVERRIDE SET k LIMIT 5 1m EX 5000");
    let before = (db.digest(), db.info("rdb_changes_since_last_save"), db.overrides());
    let window = |given: &str| {
        format!(
            "ERR window '{given}' is not a positive integer with a unit of ms, s, m, h, d or w (none \
             means seconds), at most 366d"
        )
    };
    let limit = |given: &str| format!("ERR limit '{given}' is not an integer from 0 to 1000000");
    let seconds = |given: &str| format!("ERR EX '{given}' is not an integer from 1 to 316224000");
    let millis = |given: &str| format!("ERR PX '{given}' is not an integer from 1 to 316224000000");
    let twice = || "ERR EX or PX is given twice".to_owned();
    let many = "18446744073709551616";
    for (arguments, text) in [
        ("PASS", "ERR override 'PASS' is not ALLOW, DENY or LIMIT".to_owned()),
        ("PASS EX 5", "ERR override 'PASS' is not ALLOW, DENY or LIMIT".to_owned()),
        ("", "ERR override '' is not ALLOW, DENY or LIMIT".to_owned()),
        ("EX 5", "ERR override 'EX' is not ALLOW, DENY or LIMIT".to_owned()),
        ("5 1h", "ERR override '5' is not ALLOW, DENY or LIMIT".to_owned()),
        ("ALLOW EX 0", seconds("0")),
        ("DENY EX -5", seconds("-5")),
        ("DENY EX +5", seconds("+5")),
        ("DENY EX 1.5", seconds("1.5")),
        ("ALLOW EX ", seconds("")),
        ("ALLOW EX 316224001", seconds("316224001")),
        (&format!("ALLOW EX {many}"), seconds(many)),
        ("LIMIT 5 1h PX 0", millis("0")),
        ("ALLOW PX 5s", millis("5s")),
        ("ALLOW PX 316224000001", millis("316224000001")),
        ("ALLOW EX 5 EX 5", twice()),
        ("ALLOW EX 5 PX 5", twice()),
        ("LIMIT 5 1h PX 5 EX 5", twice()),
        ("DENY EX", "ERR EX has no value".to_owned()),
        ("DENY px", "ERR PX has no value".to_owned()),
        ("DENY EX 5 NX", "ERR unexpected argument 'NX'".to_owned()),
        ("DENY KEEPTTL", "ERR unknown keyword 'KEEPTTL'".to_owned()),
        ("ALLOW 5 1h", "ERR unknown keyword '5'".to_owned()),
        ("LIMIT", "ERR LIMIT has no value".to_owned()),
        ("LIMIT EX 5", limit("EX")),
        ("LIMIT 00 1h", limit("00")),
        ("LIMIT 5 1h -1 1h", limit("-1")),
        ("LIMIT 1000001 1h", limit("1000001")),
        ("LIMIT 5", "ERR limit '5' has no window".to_owned()),
        ("LIMIT 5 1h 5", "ERR limit '5' has no window".to_owned()),
        ("LIMIT 5 0", window("0")),
        ("LIMIT 5 EX 5", window("EX")),
        ("LIMIT 5 367d", window("367d")),
        ("LIMIT 5 1h POLICY x", "ERR unknown keyword 'POLICY'".to_owned()),
        (
            &format!("LIMIT{}", " 5 1h".repeat(17)),
            "ERR 17 rules are given, at most 16 are allowed".to_owned(),
        ),
    ] {
        for key in ["k", "new"] {
            let command = format!("RL.OVERRIDE SET {key} {arguments}");
            assert_eq!(db.error(&command), text, "{command}");
        }
    }
    let after = (db.digest(), db.info("rdb_changes_since_last_save"), db.overrides());
    assert_eq!(after, before);
    assert_eq!(db.run::<i64>("EXISTS new"), 0);
}

#[test]
fn the_widest_arguments_are_accepted() {
    let server = Server::start();
    let mut db = server.connect();
    for arguments in [
        format!("LIMIT{} EX 316224000", " 1000000 366d".repeat(16)),
        "ALLOW PX 316224000000".to_owned(),
        "DENY px 1".to_owned(),
    ] {
        db.run::<()>(&format!("RL.OVERRIDE SET k {arguments}"));
    }
}

#[test]
fn a_wrong_number_of_arguments_is_an_error_and_changes_nothing() {
    let server = Server::start();
    let mut db = server.connect();
    for command in [
        "RL.OVERRIDE",
        "RL.OVERRIDE SET",
        "RL.OVERRIDE SET k",
        "RL.OVERRIDE GET",
        "RL.OVERRIDE GET k l",
        "RL.OVERRIDE DEL",
        "RL.OVERRIDE DEL k l",
    ] {
        let error = db.error(command);
        assert!(error.starts_with("ERR wrong number of arguments for"), "{command}: {error}");
    }
    let error = db.error("RL.OVERRIDE PUT k ALLOW");
    assert!(error.to_lowercase().contains("unknown subcommand"), "{error}");
    assert_eq!(db.run::<i64>("DBSIZE"), 0);
}

#[test]
fn a_key_of_another_type_gets_no_override() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("HSET k f v");
    let before = db.digest();
    for command in [
        "RL.OVERRIDE SET k ALLOW",
        "RL.OVERRIDE SET k LIMIT 5 1h EX 5",
        "RL.OVERRIDE GET k",
        "RL.OVERRIDE DEL k",
    ] {
        assert_eq!(db.error(command), WRONG_TYPE, "{command}");
    }
    for effect in [["OVERRIDE", "1700000000000", "ALLOW -1"], ["LOAD", "", "ALLOW -1"]] {
        let [word, first, second] = effect;
        assert_eq!(db.error(["RL._APPLY", "k", word, first, second]), WRONG_TYPE);
    }
    assert_eq!(db.digest(), before);
    assert_eq!(db.overrides(), Vec::<String>::new());
}

#[test]
fn a_list_with_a_bad_option_is_rejected() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("RL.OVERRIDE SET k ALLOW");
    for (arguments, text) in [
        ("COUNT", "ERR COUNT has no value"),
        ("COUNT 0", "ERR count '0' is not an integer from 1 to "),
        ("COUNT -1", "ERR count '-1' is not an integer from 1 to "),
        ("COUNT x", "ERR count 'x' is not an integer from 1 to "),
        ("COUNT 18446744073709551616", "ERR count '18446744073709551616' is not an integer"),
        ("COUNT 5 COUNT 5", "ERR COUNT is given twice"),
        ("COUNT 1001", "ERR count '1001' is not an integer from 1 to 1000"),
        ("COUNT 5 x", "ERR unknown keyword 'x'"),
        ("CURSOR", "ERR CURSOR has no value"),
        ("CURSOR x", "ERR cursor 'x' is not an integer from 0 to 18446744073709551615"),
        ("CURSOR 18446744073709551616", "ERR cursor '18446744073709551616' is not an integer"),
        ("MATCH", "ERR MATCH has no value"),
        ("MATCH a MATCH b", "ERR MATCH is given twice"),
        ("5", "ERR unknown keyword '5'"),
        ("k", "ERR unknown keyword 'k'"),
    ] {
        let error = db.error(&format!("RL.OVERRIDE LIST {arguments}"));
        assert!(error.starts_with(text), "{arguments}: {error}");
    }
}
