//! `RL.OVERRIDE LIST` on a replica equals the primary's list.

use crate::support::{Client, Server, Stop, until, wait_until_in_step};

struct Pair {
    primary: Server,
    replica: Server,
}

impl Pair {
    fn start() -> Self {
        let primary = Server::start();
        let replica = primary.start_replica(&[]);
        Self { primary, replica }
    }

    /// Waits for the replica, then asserts that both nodes list `expected`.
    #[track_caller]
    fn assert_list(&self, expected: &[&str], after: &str) {
        assert_eq!(self.primary.connect().overrides(), expected, "the primary, after {after}");
        wait_until_in_step(&self.primary, &self.replica);
        assert_eq!(self.replica.connect().overrides(), expected, "the replica, after {after}");
    }
}

fn restore(db: &mut Client, key: &str, ttl: &str, dump: &[u8], more: &[&[u8]]) {
    let words = [&[b"RESTORE", key.as_bytes(), ttl.as_bytes(), dump], more].concat();
    db.run::<()>(words.as_slice());
}

#[test]
fn the_list_follows_every_command_on_keys() {
    let pair = Pair::start();
    let mut db = pair.primary.connect();
    let steps: [(&str, &[&str]); 25] = [
        ("RL.OVERRIDE SET a ALLOW", &["0 a allow"]),
        ("RL.OVERRIDE SET b DENY EX 3600", &["0 a allow", "0 b deny"]),
        ("RENAME a c", &["0 b deny", "0 c allow"]),
        ("RENAME c b", &["0 b allow"]),
        ("RENAMENX b a", &["0 a allow"]),
        ("COPY a b", &["0 a allow", "0 b allow"]),
        ("RL.OVERRIDE SET a DENY", &["0 a deny", "0 b allow"]),
        ("COPY a b REPLACE", &["0 a deny", "0 b deny"]),
        ("COPY a a DB 1", &["0 a deny", "0 b deny", "1 a deny"]),
        ("RL.OVERRIDE SET a LIMIT 5 1s", &["0 a limit 5 1000", "0 b deny", "1 a deny"]),
        ("COPY a a DB 1 REPLACE", &["0 a limit 5 1000", "0 b deny", "1 a limit 5 1000"]),
        ("MOVE b 1", &["0 a limit 5 1000", "1 a limit 5 1000", "1 b deny"]),
        ("SWAPDB 0 1", &["0 a limit 5 1000", "0 b deny", "1 a limit 5 1000"]),
        ("DEL b", &["0 a limit 5 1000", "1 a limit 5 1000"]),
        ("SET a v", &["1 a limit 5 1000"]),
        ("UNLINK a", &["1 a limit 5 1000"]),
        ("RL.OVERRIDE SET x ALLOW", &["0 x allow", "1 a limit 5 1000"]),
        ("PEXPIRE x 0", &["1 a limit 5 1000"]),
        ("RL.OVERRIDE SET x ALLOW", &["0 x allow", "1 a limit 5 1000"]),
        ("RL.OVERRIDE DEL x", &["1 a limit 5 1000"]),
        ("RL.OVERRIDE SET x ALLOW", &["0 x allow", "1 a limit 5 1000"]),
        ("FLUSHDB", &["1 a limit 5 1000"]),
        ("RL.OVERRIDE SET x ALLOW", &["0 x allow", "1 a limit 5 1000"]),
        ("DEBUG RELOAD", &["0 x allow", "1 a limit 5 1000"]),
        ("FLUSHALL ASYNC", &[]),
    ];
    for (command, after) in steps {
        db.run::<redis::Value>(command);
        pair.assert_list(after, command);
    }
}

#[test]
fn the_list_follows_dumps_that_are_restored() {
    let pair = Pair::start();
    let mut db = pair.primary.connect();
    db.run::<()>("RL.OVERRIDE SET k ALLOW");
    let key_override: Vec<u8> = db.run("DUMP k");
    db.run::<()>("RL.OVERRIDE SET k DENY");
    restore(&mut db, "k", "0", &key_override, &[b"REPLACE"]);
    pair.assert_list(&["0 k allow"], "RESTORE REPLACE");
    restore(&mut db, "l", "0", &key_override, &[]);
    pair.assert_list(&["0 k allow", "0 l allow"], "RESTORE");
    restore(&mut db, "k", "1", &key_override, &[b"REPLACE", b"ABSTTL"]);
    pair.assert_list(&["0 l allow"], "RESTORE of an expired key");
}

#[test]
fn the_list_follows_transactions_and_scripts() {
    let pair = Pair::start();
    let mut db = pair.primary.connect();
    db.run::<()>("RL.OVERRIDE SET a ALLOW");
    for command in [
        "MULTI",
        "RENAME a b",
        "RL.OVERRIDE SET a DENY",
        "RENAME a b",
        "COPY b a",
        "SELECT 1",
        "RL.OVERRIDE SET c ALLOW",
        "SWAPDB 0 1",
        "RL.OVERRIDE LIST",
    ] {
        db.run::<redis::Value>(command);
    }
    let replies: Vec<redis::Value> = db.run("EXEC");
    let page: (String, Vec<redis::Value>) =
        redis::from_redis_value(replies[7].clone()).expect("a page");
    assert_eq!(page.1.len(), 3);
    pair.assert_list(&["0 c allow", "1 a deny", "1 b deny"], "EXEC");

    let script = "redis.call('RENAME', 'a', 'd') redis.call('COPY', 'd', 'b', 'REPLACE') \
                  redis.call('RL.OVERRIDE', 'SET', 'a', 'LIMIT', 5, '1s') \
                  redis.call('COPY', 'a', 'd', 'REPLACE') redis.call('SELECT', 0) \
                  redis.call('RENAME', 'c', 'e') return #redis.call('RL.OVERRIDE', 'LIST')[2]";
    assert_eq!(db.run::<i64>(["EVAL", script, "0"]), 4);
    let list = ["0 e allow", "1 a limit 5 1000", "1 b deny", "1 d limit 5 1000"];
    pair.assert_list(&list, "EVAL");
}

#[test]
fn a_full_resynchronisation_replaces_the_replicas_list() {
    for load in ["disabled", "swapdb"] {
        let primary = Server::start();
        let mut db = primary.connect();
        db.run::<()>("RL.OVERRIDE SET a ALLOW");
        db.run::<()>("SELECT 3");
        db.run::<()>("RL.OVERRIDE SET b DENY EX 3600");
        let line = format!("repl-diskless-load {load}");
        let replica = Server::with(&[&line]);
        let mut own = replica.connect();
        own.run::<()>("RL.OVERRIDE SET a DENY");
        own.run::<()>("RL.OVERRIDE SET own LIMIT 5 1s");
        own.run::<()>("SELECT 5");
        own.run::<()>("RL.OVERRIDE SET own ALLOW");
        replica.follow(&primary);
        let pair = Pair { primary, replica };
        pair.assert_list(&["0 a allow", "3 b deny"], &line);
    }
}

#[test]
fn a_replica_does_not_list_an_ended_override() {
    let pair = Pair::start();
    let mut db = pair.primary.connect();
    db.run::<()>("DEBUG SET-ACTIVE-EXPIRE 0");
    db.decide("RL.CHECK used 5 1h");
    db.run::<()>("RL.OVERRIDE SET used DENY PX 4000");
    db.run::<()>("RL.OVERRIDE SET unused DENY PX 4000");
    pair.assert_list(&["0 unused deny", "0 used deny"], "SET");
    let end = db.override_end("unused").max(db.override_end("used"));
    until("the overrides have ended", || db.now_ms() >= end);
    let mut there = pair.replica.connect();
    assert_eq!(there.overrides(), Vec::<String>::new());
    assert_eq!(there.run::<i64>("DBSIZE"), 2, "the primary has not deleted a key yet");
    pair.assert_list(&[], "their end");
}

#[test]
fn a_key_persisted_after_its_expiry_on_a_replica_is_listed_again() {
    let mut nowhere = Server::start();
    let nowhere_port = nowhere.port();
    nowhere.stop(Stop::NoSave);
    let pair = Pair::start();
    let mut db = pair.primary.connect();
    let mut there = pair.replica.connect();
    db.run::<()>("RL.OVERRIDE SET k ALLOW");
    db.run::<()>("PEXPIRE k 3000");
    pair.assert_list(&["0 k allow"], "SET");
    there.run::<()>(&format!("REPLICAOF 127.0.0.1 {nowhere_port}"));
    assert_eq!(db.run::<i64>("PERSIST k"), 1, "the primary was too slow");
    until("the key has expired", || there.run::<i64>("EXISTS k") == 0);
    assert_eq!(there.overrides(), Vec::<String>::new());
    pair.replica.follow(&pair.primary);
    assert_eq!(
        db.info_number("sync_partial_ok"),
        1,
        "the replica must not need a full synchronisation"
    );
    pair.assert_list(&["0 k allow"], "PERSIST");
}
