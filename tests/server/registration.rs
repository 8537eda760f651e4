//! What the server tells about the module's commands.

use std::collections::HashMap;

use redis::{Value, from_redis_value};

use crate::support::{Client, Server};

struct Description {
    arity: i64,
    flags: Vec<String>,
    keys: (i64, i64, i64),
}

fn describe(db: &mut Client, command: &str) -> Description {
    let mut replies: Vec<Vec<Value>> = db.run(["COMMAND", "INFO", command]);
    let reply = replies.remove(0);
    let number = |place: usize| from_redis_value(reply[place].clone()).expect("a number");
    Description {
        arity: number(1),
        flags: from_redis_value(reply[2].clone()).expect("flags are words"),
        keys: (number(3), number(4), number(5)),
    }
}

#[test]
fn the_module_and_exactly_its_commands_are_there() {
    let server = Server::start();
    let mut db = server.connect();
    let modules: Vec<HashMap<String, Value>> = db.run("MODULE LIST");
    let named = |module: &HashMap<String, Value>| module["name"] == Value::BulkString("rl".into());
    assert!(modules.iter().any(named), "{modules:?}");
    let mut commands: Vec<String> = db.run("COMMAND LIST FILTERBY MODULE rl");
    for name in &mut commands {
        name.make_ascii_lowercase();
    }
    commands.sort();
    let expected =
        ["rl._apply", "rl.check", "rl.hits", "rl.inspect", "rl.peek", "rl.refund", "rl.reset"];
    assert_eq!(commands, expected);
}

#[test]
fn arity_flags_and_key_positions_are_declared() {
    let server = Server::start();
    let mut db = server.connect();
    for (command, arity, present, absent) in [
        ("RL.CHECK", -4, "write fast", "readonly denyoom admin"),
        ("RL.PEEK", -4, "readonly fast", "write denyoom admin"),
        ("RL.REFUND", -2, "write fast", "readonly denyoom admin"),
        ("RL.RESET", 2, "write", "readonly denyoom admin"),
        ("RL.INSPECT", 2, "readonly", "write denyoom admin"),
        ("RL.HITS", -2, "readonly", "write denyoom admin"),
    ] {
        let described = describe(&mut db, command);
        assert_eq!(described.arity, arity, "{command}");
        assert_eq!(described.keys, (1, 1, 1), "{command}");
        let has = |flag: &str| described.flags.iter().any(|one| one == flag);
        for flag in present.split(' ') {
            assert!(has(flag), "{command} is not {flag}");
        }
        for flag in absent.split(' ') {
            assert!(!has(flag), "{command} is {flag}");
        }
        assert!(!has("loading") && !has("noscript") && !has("movablekeys"));
    }
    let internal = describe(&mut db, "RL._APPLY");
    assert!(internal.flags.contains(&"write".to_owned()));
    assert!(internal.flags.contains(&"admin".to_owned()));
    assert_eq!(internal.keys, (1, 1, 1));
}

#[test]
fn the_server_finds_the_key_of_every_command_and_how_it_is_used() {
    let server = Server::start();
    let mut db = server.connect();
    for (command, access) in [
        ("RL.CHECK k 5 60 7 80 COST 3", "RW"),
        ("RL.PEEK k 5 60 7 80 COST 3", "RO"),
        ("RL.REFUND k COST 3", "RW"),
        ("RL.RESET k", "RW"),
        ("RL.INSPECT k", "RO"),
        ("RL.HITS k COUNT 3", "RO"),
        ("RL._APPLY k RESET", "RW"),
    ] {
        let keys: Vec<String> = db.run(&format!("COMMAND GETKEYS {command}"));
        assert_eq!(keys, ["k"]);
        let keys: Vec<(String, Vec<String>)> =
            db.run(&format!("COMMAND GETKEYSANDFLAGS {command}"));
        let flags = &keys[0].1;
        // A reset needs nothing of the old value.
        let writes = access == "RW" && flags.iter().any(|flag| flag == "RM" || flag == "OW");
        assert!(writes || flags.iter().any(|flag| flag == access), "{command}: {flags:?}");
    }
}

#[test]
fn every_command_is_documented() {
    let server = Server::start();
    let mut db = server.connect();
    for (command, arguments) in [
        ("rl.check", "key limit window cost"),
        ("rl.peek", "key limit window cost"),
        ("rl.refund", "key cost"),
        ("rl.reset", "key"),
        ("rl.inspect", "key"),
        ("rl.hits", "key count"),
        ("rl._apply", "key"),
    ] {
        let replies: HashMap<String, HashMap<String, Value>> = db.run(["COMMAND", "DOCS", command]);
        let mut replies = replies.into_iter();
        let (name, docs) = replies.next().expect("the command has docs");
        assert!(name.eq_ignore_ascii_case(command));
        let text = |field: &str| -> String {
            let value = docs.get(field).expect("the field is there").clone();
            from_redis_value(value).expect("the field is text")
        };
        assert!(text("summary").len() > 15, "{command}");
        assert!(text("complexity").starts_with("O("), "{command}");
        assert_eq!(text("since"), "0.1.0", "{command}");
        let documented = format!("{:?}", docs.get("arguments").expect("arguments are listed"));
        for argument in arguments.split(' ') {
            let bytes = format!("{:?}", Value::BulkString(argument.into()));
            assert!(documented.contains(&bytes), "{command} says no {argument}");
        }
    }
}
