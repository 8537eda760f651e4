//! `COMMAND INFO`, `DOCS` and `GETKEYS` for the module's commands.

use std::collections::HashMap;

use redis::{Value, from_redis_value};

use crate::support::{Client, Server};

const COMMANDS: &str = include_str!("../../../docs/commands.md");

struct Description {
    arity: i64,
    flags: Vec<String>,
    keys: (i64, i64, i64),
    tips: Vec<String>,
}

fn describe(db: &mut Client, command: &str) -> Description {
    let mut replies: Vec<Vec<Value>> = db.run(["COMMAND", "INFO", command]);
    let reply = replies.remove(0);
    let number = |place: usize| from_redis_value(reply[place].clone()).expect("a number");
    Description {
        arity: number(1),
        flags: from_redis_value(reply[2].clone()).expect("flags are words"),
        keys: (number(3), number(4), number(5)),
        tips: from_redis_value(reply[7].clone()).expect("tips are words"),
    }
}

#[test]
fn exactly_the_modules_commands_are_registered_in_lower_case() {
    let server = Server::start();
    let mut db = server.connect();
    let modules: Vec<HashMap<String, Value>> = db.run("MODULE LIST");
    let named = |module: &HashMap<String, Value>| module["name"] == Value::BulkString("rl".into());
    assert!(modules.iter().any(named), "{modules:?}");
    let mut commands: Vec<String> = db.run("COMMAND LIST FILTERBY MODULE rl");
    commands.sort();
    let expected = "rl._apply rl._policy rl._record rl.check rl.explain rl.hits rl.inspect rl.mcheck \
        rl.override rl.override|del rl.override|get rl.override|help rl.override|list \
        rl.override|set rl.peek rl.policy rl.policy|del rl.policy|export rl.policy|get \
        rl.policy|help rl.policy|import rl.policy|list rl.policy|set rl.policy|sync rl.refund rl.reset rl.stats \
        rl.top";
    assert_eq!(commands, expected.split(' ').collect::<Vec<_>>());
}

#[test]
fn arity_flags_and_key_positions_are_declared() {
    let server = Server::start();
    let mut db = server.connect();
    let (none, first, second, last) = ((0, 0, 0), (1, 1, 1), (2, 2, 1), -1);
    for (command, arity, keys, present, absent) in [
        ("RL.CHECK", -4, first, "write fast", "readonly denyoom admin"),
        ("RL.PEEK", -4, first, "readonly fast", "write denyoom admin"),
        ("RL.EXPLAIN", -4, first, "readonly fast", "write denyoom admin"),
        ("RL.MCHECK", -5, (2, last, 3), "write", "readonly denyoom admin fast"),
        ("RL.REFUND", -2, first, "write fast", "readonly denyoom admin"),
        ("RL.RESET", 2, first, "write", "readonly denyoom admin fast"),
        ("RL.INSPECT", 2, first, "readonly", "write denyoom admin"),
        ("RL.HITS", -2, first, "readonly", "write denyoom admin"),
        ("RL.OVERRIDE|SET", -4, second, "write", "readonly denyoom admin"),
        ("RL.OVERRIDE|GET", 3, second, "readonly fast", "write denyoom admin"),
        ("RL.OVERRIDE|DEL", 3, second, "write fast", "readonly denyoom admin"),
        ("RL.OVERRIDE|LIST", -2, none, "readonly", "write denyoom admin fast"),
        ("RL.POLICY|SET", -5, none, "write denyoom", "readonly admin"),
        ("RL.POLICY|GET", 3, none, "readonly", "write denyoom admin"),
        ("RL.POLICY|DEL", 3, none, "write", "readonly denyoom admin"),
        ("RL.POLICY|LIST", 2, none, "readonly", "write denyoom admin"),
        ("RL.POLICY|EXPORT", 2, none, "readonly", "write denyoom admin"),
        ("RL.POLICY|SYNC", 2, none, "readonly", "write denyoom admin"),
        ("RL.POLICY|IMPORT", 3, none, "write denyoom", "readonly admin"),
        ("RL.POLICY|HELP", 2, none, "module", "write readonly denyoom admin"),
        ("RL.STATS", -1, none, "readonly", "write denyoom admin"),
        ("RL.TOP", -2, none, "readonly", "write denyoom admin"),
        ("RL._RECORD", -5, (3, last, 2), "write admin", "readonly denyoom"),
        ("RL._APPLY", -3, first, "write admin", "readonly denyoom"),
        ("RL._POLICY", 3, none, "write admin", "readonly denyoom"),
    ] {
        let described = describe(&mut db, command);
        assert_eq!(described.arity, arity, "{command}");
        assert_eq!(described.keys, keys, "{command}");
        let has = |flag: &str| described.flags.iter().any(|one| one == flag);
        for flag in present.split(' ') {
            assert!(has(flag), "{command} is not {flag}");
        }
        for flag in absent.split(' ') {
            assert!(!has(flag), "{command} is {flag}");
        }
        assert!(!has("loading") && !has("noscript") && !has("movablekeys"));
    }
}

/// Returns the names of commands in a cell. A subcommand without its command belongs to the one before it.
fn commands_of(cell: &str) -> Vec<String> {
    let mut family = "";
    quoted(cell)
        .map(|name| match name.split_once(' ') {
            Some((command, subcommand)) => {
                family = command;
                format!("{command}|{subcommand}")
            }
            None if name.starts_with("RL.") => name.to_owned(),
            None => format!("{family}|{name}"),
        })
        .collect()
}

fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn the_reference_has_the_flags_and_tips_of_every_command() {
    let server = Server::start();
    let mut db = server.connect();
    let (_, table) = COMMANDS
        .split_once("| command | keys | flags | tips |\n")
        .expect("the reference has the table");
    let mut compared = Vec::new();
    for row in table.lines().skip(1).take_while(|line| line.starts_with('|')) {
        let cells: Vec<_> = row.split('|').skip(1).collect();
        let (commands, flags) = (commands_of(cells[0]), quoted(cells[2]).collect::<Vec<_>>());
        for (place, command) in commands.into_iter().enumerate() {
            let described = describe(&mut db, &command);
            let has = |flag: &&String| *flag != "module";
            let has: Vec<_> = described.flags.iter().filter(has).map(String::as_str).collect();
            // One cell has either the flags of all commands or those of each.
            let expected = flags.get(place).or(flags.first()).expect("a command has flags");
            assert_eq!(has.join(" "), *expected, "{command}");
            assert_eq!(described.tips.join(" "), quoted(cells[3]).collect::<String>(), "{command}");
            compared.push(command.to_lowercase());
        }
    }
    let mut expected: Vec<String> = db.run("COMMAND LIST FILTERBY MODULE rl");
    expected.retain(|name| !name.starts_with("rl._") && !name.ends_with("|help"));
    // Families have no flags of their own.
    expected.retain(|name| !["rl.override", "rl.policy"].contains(&name.as_str()));
    compared.sort();
    expected.sort();
    assert_eq!(compared, expected);
}

#[test]
fn commands_carry_the_tips_of_the_servers_own_commands() {
    let server = Server::start();
    let mut db = server.connect();
    let read_tips = "nondeterministic_output request_policy:all_shards response_policy:special";
    for (command, tips) in [
        ("RL.POLICY|SET", ""),
        ("RL.POLICY|DEL", ""),
        ("RL.POLICY|IMPORT", ""),
        ("RL.POLICY|SYNC", "nondeterministic_output"),
        ("RL.POLICY|GET", ""),
        (
            "RL.OVERRIDE|LIST",
            "nondeterministic_output request_policy:special response_policy:special",
        ),
        ("RL.STATS", read_tips),
        ("RL.TOP", read_tips),
        ("RL.CHECK", "nondeterministic_output"),
        ("RL.PEEK", "nondeterministic_output"),
        ("RL.EXPLAIN", "nondeterministic_output"),
        ("RL.MCHECK", "nondeterministic_output"),
        ("RL.REFUND", "nondeterministic_output"),
        ("RL.RESET", "nondeterministic_output"),
        ("RL.INSPECT", "nondeterministic_output"),
        ("RL.HITS", "nondeterministic_output"),
        ("RL.OVERRIDE|GET", "nondeterministic_output"),
        ("RL.OVERRIDE|SET", ""),
        ("RL.OVERRIDE|DEL", ""),
    ] {
        assert_eq!(describe(&mut db, command).tips.join(" "), tips, "{command}");
    }
}

#[test]
fn the_server_finds_the_keys_of_every_command_and_how_they_are_used() {
    let server = Server::start();
    let mut db = server.connect();
    for (command, names, flags) in [
        ("RL.CHECK k 5 60 7 80 COST 3", "k", "RW access update"),
        ("RL.CHECK k POLICY gold", "k", "RW access update"),
        ("RL.PEEK k 5 60 7 80 COST 3", "k", "RO access"),
        ("RL.EXPLAIN k 5 60 7 80 COST 3", "k", "RO access"),
        ("RL.MCHECK 3 k 5 60", "k", "RW access update"),
        ("RL.MCHECK 1 k 5 60 l POLICY gold m 7 80", "k l m", "RW access update"),
        ("RL.REFUND k COST 3", "k", "RW access update"),
        ("RL.RESET k", "k", "RM delete"),
        ("RL.INSPECT k", "k", "RO access"),
        ("RL.HITS k COUNT 3", "k", "RO access"),
        ("RL.OVERRIDE SET k LIMIT 5 60 EX 60", "k", "RW access update"),
        ("RL.OVERRIDE GET k", "k", "RO access"),
        ("RL.OVERRIDE DEL k", "k", "RM delete"),
        ("RL._RECORD 1700000000000 1 k 60000", "k", "RW access update"),
        ("RL._RECORD 1700000000000 1 k 60000 l 70000", "k l", "RW access update"),
        ("RL._APPLY k RESET", "k", "RW access update"),
    ] {
        let keys: Vec<String> = db.run(&format!("COMMAND GETKEYS {command}"));
        assert_eq!(keys.join(" "), names, "{command}");
        let used: Vec<(String, Vec<String>)> =
            db.run(&format!("COMMAND GETKEYSANDFLAGS {command}"));
        for ((name, how), key) in used.iter().zip(&keys) {
            assert_eq!((name, how.join(" ")), (key, flags.to_owned()), "{command}");
        }
        assert_eq!(used.len(), keys.len());
    }
    for command in [
        "RL.OVERRIDE LIST COUNT 3",
        "RL.POLICY SET gold 5 60",
        "RL.POLICY EXPORT",
        "RL.STATS RESET",
        "RL.TOP DENIED COUNT 3",
        "RL._POLICY DEL gold",
    ] {
        let error = db.error(&format!("COMMAND GETKEYS {command}"));
        assert_eq!(error, "ERR The command has no key arguments", "{command}");
    }
}

#[test]
fn every_command_is_documented() {
    let server = Server::start();
    let mut db = server.connect();
    for (command, arguments) in [
        ("rl.check", "key limit window policy cost"),
        ("rl.peek", "key limit window policy cost"),
        ("rl.explain", "key limit window policy cost"),
        ("rl.mcheck", "cost key limit window policy"),
        ("rl.override|set", "key allow deny limit window seconds milliseconds"),
        ("rl.override|get", "key"),
        ("rl.override|del", "key"),
        ("rl.override|list", "cursor pattern count"),
        ("rl.policy|set", "name shadow limit window"),
        ("rl.policy|get", "name"),
        ("rl.policy|del", "name"),
        ("rl.policy|list", ""),
        ("rl.policy|export", ""),
        ("rl.policy|sync", ""),
        ("rl.policy|import", "json"),
        ("rl.policy|help", ""),
        ("rl.stats", "reset"),
        ("rl.top", "denied checked count"),
        ("rl._record", "instant units key window_ms"),
        ("rl._policy", "effect name"),
        ("rl.refund", "key cost"),
        ("rl.reset", "key"),
        ("rl.inspect", "key"),
        ("rl.hits", "key count before after"),
        ("rl._apply", "key"),
    ] {
        let replies: HashMap<String, HashMap<String, Value>> = db.run(["COMMAND", "DOCS", command]);
        let mut replies = replies.into_iter();
        let (name, docs) = replies.next().expect("the command has docs");
        assert_eq!(name, command);
        let text = |field: &str| -> String {
            let value = docs.get(field).expect("the docs have the field").clone();
            from_redis_value(value).expect("the field is text")
        };
        assert!(text("summary").len() > 15, "{command}");
        assert!(text("complexity").starts_with("O("), "{command}");
        assert_eq!(text("since"), "0.1.0", "{command}");
        let documented = docs.get("arguments").map(|listed| format!("{listed:?}"));
        let documented = documented.unwrap_or_default();
        assert_eq!(documented.contains("name"), !arguments.is_empty(), "{command}: {documented}");
        for argument in arguments.split_whitespace() {
            let bytes = format!("{:?}", Value::BulkString(argument.into()));
            assert!(documented.contains(&bytes), "the docs of {command} lack {argument}");
        }
    }
}
