//! The roles in `redis.conf.example`, configured on a server and tested.

use redis::Value;

use crate::support::{Client, Server};

const EXAMPLE: &str = include_str!("../../../redis.conf.example");
const NAMES: [&str; 3] = ["application", "operator", "dashboard"];

/// Calls to test the roles, with keys that match their patterns.
const CALLS: [&str; 38] = [
    "RL.CHECK ratelog:k 5 60",
    "RL.CHECK ratelog:k POLICY gold",
    "RL.MCHECK 1 ratelog:k 5 60 ratelog:l 5 60",
    "RL.PEEK ratelog:k 5 60",
    "RL.EXPLAIN ratelog:k 5 60",
    "RL.REFUND ratelog:k",
    "RL.RESET ratelog:k",
    "RL.INSPECT ratelog:k",
    "RL.HITS ratelog:k",
    "RL.POLICY SET gold 5 60",
    "RL.POLICY DEL gold",
    "RL.POLICY IMPORT {\"policies\":[]}",
    "RL.POLICY GET gold",
    "RL.POLICY LIST",
    "RL.POLICY EXPORT",
    "RL.POLICY SYNC",
    "RL.OVERRIDE SET ratelog:k DENY",
    "RL.OVERRIDE DEL ratelog:k",
    "RL.OVERRIDE GET ratelog:k",
    "RL.OVERRIDE LIST",
    "RL.STATS",
    "RL.TOP DENIED",
    "INFO",
    "CLUSTER INFO",
    "CLUSTER SLOTS",
    "CLUSTER SHARDS",
    "CLUSTER FORGET id",
    "EXEC",
    "MULTI",
    "PING",
    "CLIENT SETNAME me",
    "COMMAND COUNT",
    "SUBSCRIBE __keyevent@0__:rl.denied",
    "RL._RECORD 1700000000000 1 ratelog:k 60000",
    "RL._APPLY ratelog:k RESET",
    "RL._POLICY DEL gold",
    "CONFIG SET rl.max-limit 5",
    "FLUSHALL",
];

/// Commands that clients send by themselves, whatever the role.
const OF_CLIENTS: &str = "PING CLIENT COMMAND INFO MULTI EXEC";
const OF_CLUSTER_CLIENTS: [&str; 3] = ["CLUSTER INFO", "CLUSTER SLOTS", "CLUSTER SHARDS"];

/// Returns whether the role's ACL grants the call.
fn is_granted(role: &str, call: &str) -> bool {
    let granted = match role {
        "application" => "RL.CHECK RL.MCHECK RL.PEEK RL.REFUND RL.RESET",
        "operator" => {
            "RL.CHECK RL.MCHECK RL.PEEK RL.REFUND RL.RESET RL.EXPLAIN RL.INSPECT RL.HITS RL.POLICY \
             RL.OVERRIDE RL.STATS RL.TOP SUBSCRIBE"
        }
        _ => "RL.PEEK RL.EXPLAIN RL.INSPECT RL.HITS RL.STATS RL.TOP",
    };
    let reads = [
        "RL.POLICY GET",
        "RL.POLICY LIST",
        "RL.POLICY EXPORT",
        "RL.POLICY SYNC",
        "RL.OVERRIDE GET",
        "RL.OVERRIDE LIST",
    ];
    let first = call.split(' ').next().expect("a call has a first word");
    [granted, OF_CLIENTS].iter().any(|words| words.split(' ').any(|word| word == first))
        || OF_CLUSTER_CLIENTS.contains(&call)
        || role == "dashboard" && reads.iter().any(|read| call.starts_with(read))
        || role == "application" && call.starts_with("RL.POLICY GET")
}

/// Returns the example's line that defines the role's user.
fn line_of(role: &str) -> &'static str {
    let start = format!("# user {role} ");
    let lines: Vec<_> = EXAMPLE.lines().filter(|line| line.starts_with(&start)).collect();
    assert_eq!(lines.len(), 1, "{role} has one line");
    lines[0].trim_start_matches("# ")
}

/// Starts a server with the example's users in its configuration file.
fn server() -> Server {
    let default = EXAMPLE.lines().find(|line| line.starts_with("user default on "));
    let mut lines = vec![default.expect("the default user has a line")];
    lines.extend(NAMES.map(line_of));
    Server::with(&lines)
}

/// Logs in as the role's user with the example's password.
fn login(server: &Server, role: &str) -> Client {
    let mut db = server.connect();
    let password = line_of(role).split(' ').find_map(|word| word.strip_prefix('>'));
    db.run::<()>(["AUTH", role, password.expect("the user has a password")]);
    db
}

/// Returns whether the server's ACL permits the user to make the call.
fn may(db: &mut Client, user: &str, call: &str) -> bool {
    db.run::<String>(&format!("ACL DRYRUN {user} {call}")) == "OK"
}

#[test]
fn a_role_can_run_exactly_its_commands() {
    let server = server();
    let mut admin = server.connect();
    for role in NAMES {
        for call in CALLS {
            let granted = is_granted(role, call);
            assert_eq!(may(&mut admin, role, call), granted, "{role}: {call}");
            if call.starts_with("SUBSCRIBE") {
                continue;
            }
            match login(&server, role).attempt::<Value>(call) {
                Ok(_) => assert!(granted, "{role} made the call {call}"),
                Err(error) => {
                    assert_eq!(!error.starts_with("NOPERM"), granted, "{role}: {call}: {error}");
                }
            }
        }
    }
}

#[test]
fn a_role_can_access_only_the_keys_of_its_pattern() {
    let server = server();
    for role in NAMES {
        let mut db = login(&server, role);
        for call in CALLS {
            if is_granted(role, call) && call.contains(" ratelog:k") {
                let elsewhere = call.replacen(" ratelog:k", " other", 1);
                let error = db.error(&elsewhere);
                assert!(error.starts_with("NOPERM"), "{role}: {elsewhere}: {error}");
            }
        }
    }
    assert_eq!(server.connect().run::<i64>("DBSIZE"), 0);
}

#[test]
fn the_default_user_cannot_run_the_internal_commands() {
    let server = server();
    let mut db = server.connect();
    let rejected: Vec<_> =
        CALLS.into_iter().filter(|call| !may(&mut db, "default", call)).collect();
    let internal: Vec<_> = CALLS.into_iter().filter(|call| call.starts_with("RL._")).collect();
    assert_eq!(rejected, internal);
}

#[test]
fn the_rules_for_servers_with_acl_categories_are_equivalent() {
    let server = server();
    if !server.server_version().has_7_2_features() {
        println!("skipped: this server has no ACL categories for modules");
        return;
    }
    let mut db = server.connect();
    let mut calls: Vec<String> = CALLS.map(str::to_owned).into();
    // Try every command of the server, with enough arguments to pass the arity check.
    let commands: Vec<String> = db.run("COMMAND LIST");
    calls.extend(commands.iter().map(|name| name.replace('|', " ") + " 1 ratelog:k 5 60 5 60"));
    for role in ["operator", "dashboard"] {
        let start = format!("#   {role}: ");
        let short = EXAMPLE.lines().find_map(|line| line.strip_prefix(&start));
        let short = short.expect("the role has a short form");
        let mut words: Vec<_> = line_of(role).split(' ').skip(2).collect();
        words.retain(|word| !word.starts_with("+rl."));
        db.run::<()>(&format!("ACL SETUSER short reset {} {short}", words.join(" ")));
        let mut allowed = 0;
        for call in &calls {
            let Ok(answer) = db.attempt::<String>(&format!("ACL DRYRUN {role} {call}")) else {
                continue;
            };
            let same = db.run::<String>(&format!("ACL DRYRUN short {call}"));
            assert_eq!(answer.replace(role, ""), same.replace("short", ""), "{role}: {call}");
            allowed += usize::from(answer == "OK");
        }
        assert!(allowed > 15, "{role}: {allowed}");
    }
}
