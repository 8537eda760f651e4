//! Overrides in MULTI, under WATCH and in scripts, and their cost in writes and memory.

use redis::Value;

use crate::support::{Client, Decision, Server, assert_same_dataset};

fn started() -> (Server, Client) {
    let server = Server::start();
    let db = server.connect();
    (server, db)
}

fn watch_survives(server: &Server, command: &str) -> bool {
    let (mut db, mut other) = (server.connect(), server.connect());
    db.run::<()>("WATCH k");
    other.attempt::<Value>(command).ok();
    db.run::<()>("MULTI");
    db.run::<()>("PING");
    db.run::<Value>("EXEC") != Value::Nil
}

#[test]
fn only_a_change_of_an_override_breaks_a_watch() {
    let (server, mut db) = started();
    for command in ["RL.OVERRIDE DEL k", "RL.OVERRIDE GET k", "RL.OVERRIDE SET k PASS"] {
        assert!(watch_survives(&server, command), "{command}");
    }
    for key_override in ["ALLOW", "DENY", "LIMIT 1 1m", "ALLOW", "DENY EX 60"] {
        assert!(
            !watch_survives(&server, &format!("RL.OVERRIDE SET k {key_override}")),
            "{key_override}"
        );
        if !key_override.starts_with("LIMIT") {
            assert!(watch_survives(&server, "RL.CHECK k 5 1h"), "{key_override}");
        }
        for command in ["RL.PEEK k 5 1h", "RL.OVERRIDE LIST", "RL.OVERRIDE GET k", "RL.INSPECT k"] {
            assert!(watch_survives(&server, command), "{command} under {key_override}");
        }
    }
    db.run::<()>("RL.OVERRIDE SET k ALLOW");
    assert!(!watch_survives(&server, "RL.OVERRIDE DEL k"));
    assert!(watch_survives(&server, "RL.OVERRIDE DEL k"));
}

#[test]
fn a_transaction_and_a_script_see_their_own_override() {
    let server = Server::start();
    let replica = server.start_replica(&[]);
    let mut db = server.connect();
    let steps = [
        ("RL.CHECK k 1 1h", Some((true, 1, 0))),
        ("RL.CHECK k 1 1h", Some((false, 1, 0))),
        ("RL.OVERRIDE SET k ALLOW", None),
        ("RL.CHECK k 1 1h", Some((true, 1, 0))),
        ("RL.OVERRIDE SET k LIMIT 2 1h", None),
        ("RL.CHECK k 1 1h", Some((true, 2, 0))),
        ("RL.OVERRIDE SET k DENY", None),
        ("RL.CHECK k 9 1h", Some((false, 9, 0))),
        ("RL.OVERRIDE DEL k", None),
        ("RL.CHECK k 3 1h", Some((true, 3, 0))),
    ];
    db.run::<()>("MULTI");
    for (command, _) in steps {
        db.run::<()>(command);
    }
    assert_eq!(server.connect().overrides(), Vec::<String>::new());
    let replies: Vec<Value> = db.run("EXEC");
    for ((command, expected), reply) in steps.into_iter().zip(replies) {
        let outcome = redis::from_redis_value::<Decision>(reply)
            .map(|outcome| (outcome.allowed, outcome.limit, outcome.remaining));
        assert_eq!(outcome.ok(), expected, "{command}");
    }
    assert_eq!(db.units("k"), 3);
    assert_eq!(db.get_override("k"), None);

    let script = "redis.call('RL.OVERRIDE', 'SET', KEYS[1], 'DENY', 'EX', 60) \
                  local denied = redis.call('RL.CHECK', KEYS[1], 9, '1h') \
                  redis.call('RL.OVERRIDE', 'SET', KEYS[1], 'LIMIT', 4, '1h') \
                  local key_override = redis.call('RL.OVERRIDE', 'GET', KEYS[1]) \
                  return {denied, redis.call('RL.CHECK', KEYS[1], 9, '1h'), key_override[2]}";
    let (denied, allowed, action): (Decision, Decision, String) =
        db.run(["EVAL", script, "1", "k"]);
    assert_eq!((denied.allowed, denied.limit), (false, 9));
    assert_eq!((allowed.allowed, allowed.limit, allowed.remaining), (true, 4, 0));
    assert_eq!(action, "limit");
    let error = db.error(["EVAL_RO", script, "1", "k"]);
    assert!(error.contains("Write commands are not allowed"), "{error}");
    assert_same_dataset(&server, &replica);
}

#[test]
fn checks_under_allow_and_deny_replicate_nothing_and_are_not_changes() {
    let server = Server::with(&["appendonly yes", "appendfsync always"]);
    let replica = server.start_replica(&[]);
    let mut db = server.connect();
    db.decide("RL.CHECK used 5 1h COST 5");
    for key_override in ["ALLOW", "DENY", "ALLOW EX 600", "DENY EX 600"] {
        for key in ["used", "unused"] {
            db.run::<()>(&format!("RL.OVERRIDE SET {key} {key_override}"));
        }
        assert_same_dataset(&server, &replica);
        let counters = |db: &mut Client| {
            ["rdb_changes_since_last_save", "master_repl_offset", "aof_current_size"]
                .map(|field| db.info(field))
        };
        let before = (counters(&mut db), db.digest());
        for key in ["used", "unused"] {
            for command in ["RL.CHECK KEY 5 1h", "RL.CHECK KEY 9 1d COST 3", "RL.PEEK KEY 5 1h"] {
                db.decide(&command.replace("KEY", key));
            }
            db.run::<Value>(["RL.OVERRIDE", "GET", key]);
        }
        db.overrides();
        assert_eq!((counters(&mut db), db.digest()), before, "{key_override}");
    }
}

#[test]
fn an_override_set_on_a_replica_is_rejected() {
    let server = Server::start();
    let replica = server.start_replica(&[]);
    server.connect().run::<()>("RL.OVERRIDE SET k DENY");
    assert_same_dataset(&server, &replica);
    let mut there = replica.connect();
    for command in ["RL.OVERRIDE SET k ALLOW", "RL.OVERRIDE DEL k"] {
        assert!(there.error(command).starts_with("READONLY"), "{command}");
    }
    assert_eq!(there.overrides(), ["0 k deny"]);
    assert_eq!(there.decide("RL.PEEK k 5 1h").retry_after_ms, -1);
}

#[test]
fn without_memory_no_override_creates_a_key_and_existing_ones_apply() {
    let (_server, mut db) = started();
    db.decide("RL.CHECK k 5 1h");
    db.run::<()>("RL.OVERRIDE SET denied DENY");
    db.run::<()>("CONFIG SET maxmemory-policy noeviction");
    db.run::<()>("CONFIG SET maxmemory 1");
    let error = db.error("RL.OVERRIDE SET new DENY");
    assert!(error.starts_with("OOM "), "{error}");
    assert_eq!(db.run::<i64>("EXISTS new"), 0);
    assert_eq!(db.overrides(), ["0 denied deny"]);
    assert!(!db.decide("RL.CHECK denied 5 1h").allowed);
    db.run::<()>("RL.OVERRIDE SET k ALLOW");
    assert_eq!(db.decide("RL.CHECK k 1 1h COST 5").remaining, 0);
    assert_eq!(db.run::<i64>("RL.OVERRIDE DEL k"), 1);
    assert_eq!(db.run::<i64>("RL.OVERRIDE DEL denied"), 1);
}

#[test]
fn memory_usage_includes_the_override_and_del_frees_it() {
    const KEYS: i64 = 5000;
    let (_server, mut db) = started();
    let each = |db: &mut Client, command: &str| {
        let script = format!(
            "for i = 1, {KEYS} do \
                 redis.call(ARGV[1], ARGV[2], 'k' .. i, unpack(ARGV, 3)) \
             end"
        );
        let mut words = vec!["EVAL".to_owned(), script, "0".to_owned()];
        words.extend(command.split(' ').map(str::to_owned));
        db.run::<()>(words.as_slice());
    };
    each(&mut db, "RL.OVERRIDE SET ALLOW");
    each(&mut db, "RL.OVERRIDE DEL");
    for key in 1..=KEYS {
        db.run::<()>(&format!("RL.CHECK k{key} 5 1h"));
    }
    let usage = |db: &mut Client| db.run::<i64>("MEMORY USAGE k7");
    let (before, plain) = (db.info_number("used_memory"), usage(&mut db));
    each(&mut db, "RL.OVERRIDE SET LIMIT 5 1h");
    let (taken, more) = (db.info_number("used_memory") - before, usage(&mut db) - plain);
    assert!(more > 100, "{more} bytes for an override");
    // The node's index of overrides is not part of the key.
    assert!(
        (more..more + 200).contains(&(taken / KEYS)),
        "{more} reported, {} taken",
        taken / KEYS
    );
    each(&mut db, "RL.OVERRIDE DEL");
    assert_eq!(usage(&mut db), plain);
    let left = db.info_number("used_memory") - before;
    assert!(left < taken / 10, "{left} of {taken} bytes are not freed");
}
