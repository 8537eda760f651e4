//! `RL.INSPECT` and `RL.HITS`: the state of a log.

use redis::{ProtocolVersion, Value};

use crate::support::{Client, Server, until};

/// Records units at three instants, the newest in two parts.
fn record(db: &mut Client) -> [i64; 3] {
    let now = db.now_ms();
    let instants = [now - 300_000, now - 20_000, now - 1000];
    let [oldest, middle, newest] = instants;
    let hits = [(oldest, 2), (middle, 5), (newest, 1), (newest, 3)];
    db.record("k", 3_600_000, &hits);
    instants
}

#[test]
fn inspect_returns_the_state_of_the_log() {
    let server = Server::start();
    let mut db = server.connect();
    let [oldest, _, newest] = record(&mut db);
    let reply: Vec<Value> = db.run("RL.INSPECT k");
    let names: Vec<_> = reply.iter().step_by(2).collect();
    let name = |text: &str| Value::BulkString(text.into());
    let expected = ["units", "oldest_ms", "newest_ms", "retention_ms", "bytes", "override"];
    assert_eq!(names, expected.map(name).iter().collect::<Vec<_>>());
    let values: Vec<_> = reply.into_iter().skip(1).step_by(2).collect();
    assert_eq!(values[..4], [11, oldest, newest, 3_600_000].map(Value::Int));
    let Value::Int(bytes) = values[4] else {
        panic!("bytes is not a number: {values:?}");
    };
    assert!((1..=200).contains(&bytes), "{bytes}");
    assert_eq!(values[5], Value::Nil);
}

#[test]
fn inspect_is_a_map_in_resp3() {
    let server = Server::start();
    let mut db = server.connect_speaking(ProtocolVersion::RESP3);
    record(&mut db);
    let Value::Map(pairs) = db.run("RL.INSPECT k") else {
        panic!("expected a map");
    };
    assert_eq!(pairs.len(), 6);
    assert_eq!(pairs[0].1, Value::Int(11));
    assert_eq!(pairs[5].1, Value::Nil);
}

#[test]
fn hits_are_pairs_newest_first_and_one_per_millisecond() {
    let server = Server::start();
    let mut db = server.connect();
    let [oldest, middle, newest] = record(&mut db);
    let all = [(newest, 4), (middle, 5), (oldest, 2)];
    assert_eq!(db.hits("k"), all);
    for count in 1..=4 {
        let pairs: Vec<Vec<i64>> = db.run(&format!("RL.HITS k COUNT {count}"));
        let expected = all.iter().take(count).map(|&(at, units)| vec![at, units]);
        assert_eq!(pairs, expected.collect::<Vec<_>>());
    }
}

#[test]
fn hits_can_be_read_in_pages_by_their_instants() {
    let server = Server::start();
    let mut db = server.connect();
    let now = db.now_ms();
    let fill =
        "for unit = 1, 2500 do redis.call('RL._RECORD', KEYS[1] + unit, 1, 'k', 3600000) end";
    db.run::<()>(["EVAL", fill, "1", &(now - 2_501).to_string()]);
    let instants = |db: &mut Client, options: &str| -> Vec<i64> {
        let pairs: Vec<(i64, i64)> = db.run(format!("RL.HITS k {options}").trim_end());
        pairs.into_iter().map(|(instant, _)| instant).collect()
    };
    let all: Vec<i64> = (now - 2_500..now).rev().collect();
    // Without a count, a page has a thousand hits.
    let (mut read, mut pages, mut options) = (Vec::new(), 0, String::new());
    loop {
        let page = instants(&mut db, &options);
        let Some(last) = page.last() else { break };
        options = format!("BEFORE {last}");
        pages += 1;
        read.extend(page);
    }
    assert_eq!((read, pages), (all.clone(), 3));
    let between = format!("AFTER {} BEFORE {} COUNT 10000", now - 101, now - 1);
    assert_eq!(instants(&mut db, &between), all[1..100]);
    assert_eq!(instants(&mut db, &format!("after {} count 5", now - 3)), all[..2]);
    assert_eq!(instants(&mut db, &format!("AFTER {now}")), [0_i64; 0]);
    assert_eq!(instants(&mut db, "BEFORE 0"), [0_i64; 0]);
    let error = db.error("RL.HITS k BEFORE yesterday");
    assert_eq!(error, "ERR instant 'yesterday' is not milliseconds since the Unix epoch");
}

#[test]
fn a_missing_key_has_no_hits_and_nothing_to_inspect() {
    let server = Server::start();
    let mut db = server.connect();
    assert_eq!(db.run::<Value>("RL.INSPECT k"), Value::Nil);
    assert_eq!(db.run::<Value>("RL.HITS k"), Value::Array(vec![]));
    assert_eq!(db.run::<i64>("DBSIZE"), 0);
}

#[test]
fn a_key_with_only_an_override_has_no_instants() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("RL.OVERRIDE SET k LIMIT 7 1m 9 1h EX 100");
    let reply: Vec<Value> = db.run("RL.INSPECT k");
    assert_eq!(reply[1], Value::Int(0));
    assert_eq!([&reply[3], &reply[5]], [&Value::Nil, &Value::Nil]);
    assert_eq!(reply[7], Value::Int(0));
    assert!(matches!(reply[9], Value::Int(1..=600)), "{reply:?}");
    let Value::Array(key_override) = &reply[11] else {
        panic!("expected an override, got {reply:?}");
    };
    let text = |text: &str| Value::BulkString(text.into());
    let rule = |limit, window| Value::Array(vec![Value::Int(limit), Value::Int(window)]);
    assert_eq!(key_override[..3], [text("action"), text("limit"), text("rules")]);
    assert_eq!(
        key_override[3..5],
        [Value::Array(vec![rule(7, 60_000), rule(9, 3_600_000)]), text("ttl_ms")]
    );
    assert!(matches!(key_override[5], Value::Int(50_000..=100_000)), "{key_override:?}");
    assert_eq!(db.hits("k"), []);

    db.run::<()>("RL.OVERRIDE DEL k");
    assert_eq!(db.run::<Value>("RL.INSPECT k"), Value::Nil);
}

#[test]
fn expired_units_are_not_shown() {
    let server = Server::start();
    let mut db = server.connect();
    let now = db.now_ms();
    let hits = [(now - 3_599_850, 7), (now - 3_599_800, 5), (now - 1000, 2)];
    db.record("k", 3_600_000, &hits);
    until("only the newest unit is left", || db.units("k") == 2);
    let reply: Vec<Value> = db.run("RL.INSPECT k");
    assert_eq!(reply[1], Value::Int(2));
    assert_eq!(reply[3], Value::Int(now - 1000));
    assert_eq!(db.decide("RL.PEEK k 10 2h").remaining, 8);
    assert_eq!(db.hits("k"), [(now - 1000, 2)]);
}

#[test]
fn a_log_whose_units_have_all_expired_is_null() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("DEBUG SET-ACTIVE-EXPIRE 0");
    let instant = db.now_ms() - 3_599_900;
    // A key may remain for a short time after its last unit expired.
    db.record("k", 3_600_000, &[(instant, 5)]);
    until("the unit has expired", || db.hits("k").is_empty());
    assert_eq!(db.run::<Value>("RL.INSPECT k"), Value::Nil);
    assert_eq!(db.run::<i64>("RL.REFUND k"), 0);
    assert_eq!(db.run::<i64>("RL.RESET k"), 0);
    assert_eq!(db.decide("RL.PEEK k 5 1h").remaining, 5);
    assert_eq!(db.decide("RL.PEEK k 5 1h").reset_after_ms, 0);
    assert_eq!(db.decide("RL.CHECK k 5 1h").remaining, 4);
}

#[test]
fn a_large_log_is_listed_completely() {
    let server = Server::start();
    let mut db = server.connect();
    let first = db.now_ms() - 100_000;
    let mut hits: Vec<_> = (0..3000).map(|step| (first + step * 17, 1 + step % 4)).collect();
    db.record("k", 3_600_000, &hits);
    hits.reverse();
    assert_eq!(db.hits("k"), hits);
}
