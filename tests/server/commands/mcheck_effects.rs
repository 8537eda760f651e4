//! The effects of `RL.MCHECK`: none if it is denied, and one if it is allowed.

use redis::{ProtocolVersion, Value};

use crate::support::{
    Decision, Random, Server, Stop, assert_same_dataset, dataset, stream_of, wait_until_in_step,
};

#[test]
fn all_keys_are_one_effect() {
    let stream = stream_of(|db| {
        db.run::<()>("RL.OVERRIDE SET o ALLOW");
        db.decide_all("RL.MCHECK 3 a 5 1h o 5 1h b 5 2h c 5 3h a 9 4h");
        db.decide_all("RL.MCHECK 3 a 5 1h o 5 1h b 5 2h c 5 3h");
        db.decide_all("RL.MCHECK 3 o 5 1h");
    });
    assert_eq!(stream.matches("RL._RECORD").count(), 1, "{stream}");
    for absent in ["RL.MCHECK", "MULTI", "PEXPIRE"] {
        assert!(!stream.contains(absent), "{stream}");
    }
    let order = [
        "A\r\n$7\r\n3600000\r\n",
        "B\r\n$7\r\n7200000",
        "C\r\n$8\r\n10800000",
        "A\r\n$8\r\n14400000",
    ];
    let (_, record) = stream.split_once("RL._RECORD").expect("the stream has the record");
    let places = order.map(|text| {
        record.find(text).expect("every key except the one under ALLOW is in the record")
    });
    assert!(places.is_sorted(), "{stream}");
}

#[test]
fn a_shift_is_replicated_even_if_the_check_is_denied() {
    let stream = stream_of(|db| {
        let ahead = db.now_ms() + 3_600_000;
        db.record("k", 7_200_000, &[(ahead, 1)]);
        db.decide_all("RL.MCHECK 2 full 1 1h k 5 1h");
        db.decide_all("RL.MCHECK 2 full 1 1h k 5 1h");
    });
    assert_eq!(stream.matches("RL._RECORD").count(), 1, "{stream}");
    assert_eq!(stream.matches("SHIFT").count(), 1, "{stream}");
}

#[test]
fn a_denied_check_replicates_nothing_and_is_not_a_change() {
    let server = Server::start();
    let replica = server.start_replica(&[]);
    let mut db = server.connect();
    db.decide("RL.CHECK a 1 1h");
    wait_until_in_step(&server, &replica);
    let state = |db: &mut crate::support::Client| {
        (db.info("master_repl_offset"), db.info("rdb_changes_since_last_save"), db.digest())
    };
    let before = state(&mut db);
    for command in ["1 new 5 1h a 1 1h", "1 a 1 1h new 5 1h", "1 k 1 1h k 1 1h", "9 b 5 1h"] {
        assert!(db.decide_all(&format!("RL.MCHECK {command}")).iter().any(|one| !one.allowed));
    }
    assert_eq!(state(&mut db), before);
    db.decide_all("RL.MCHECK 1 new 5 1h a 2 1h");
    assert_ne!(state(&mut db).0, before.0);
    assert_same_dataset(&server, &replica);
}

#[test]
fn only_an_allowed_check_breaks_a_watch() {
    let server = Server::start();
    let (mut db, mut other) = (server.connect(), server.connect());
    db.decide("RL.CHECK full 1 1h");
    for (watched, command, survives) in [
        ("k", "RL.MCHECK 1 k 5 1h full 1 1h", true),
        ("full", "RL.MCHECK 1 k 5 1h full 1 1h", true),
        ("k", "RL.MCHECK 1 k 5 1h l 1x 1h", true),
        ("other", "RL.MCHECK 1 k 5 1h l 5 1h", true),
        ("k", "RL.MCHECK 1 k 5 1h l 5 1h", false),
        ("l", "RL.MCHECK 1 k 5 1h l 5 1h", false),
        ("full", "RL.MCHECK 1 k 5 1h full 1 1h", true),
    ] {
        db.run::<()>(["WATCH", watched]);
        other.attempt::<Value>(command).ok();
        db.run::<()>("MULTI");
        db.run::<()>("PING");
        assert_eq!(db.run::<Value>("EXEC") != Value::Nil, survives, "{watched}: {command}");
    }
}

#[test]
fn replicas_and_the_aof_agree_after_many_checks() {
    let mut server = Server::with(&["appendonly yes"]);
    let replica = server.start_replica(&[]);
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET gold 40 1h 60 1d");
    db.run::<()>("RL.POLICY SET trial SHADOW 20 1h");
    db.run::<()>("RL.OVERRIDE SET key:0 ALLOW");
    db.run::<()>("RL.OVERRIDE SET key:1 LIMIT 30 2h");
    let mut random = Random::seeded(5);
    let (mut allowed, mut denied) = (0, 0);
    for _ in 0..600 {
        let keys: String = (0..=random.below(4))
            .map(|_| {
                let rules = random.pick(&["50 1h", "70 3h", "POLICY gold", "POLICY trial"]);
                format!(" key:{} {rules}", random.below(20))
            })
            .collect();
        let decisions = db.decide_all(&format!("RL.MCHECK {}{keys}", 1 + random.below(3)));
        let all = decisions.iter().all(|decision| decision.allowed);
        *(if all { &mut allowed } else { &mut denied }) += 1;
    }
    assert!(allowed > 100 && denied > 100, "{allowed} and {denied}");
    assert_same_dataset(&server, &replica);
    let before = (db.digest(), dataset(&mut db));
    server.restart(Stop::NoSave);
    let mut db = server.connect();
    assert_eq!((db.digest(), dataset(&mut db)), before);
}

#[test]
fn without_memory_no_key_is_created_or_changed() {
    let server = Server::with(&["maxmemory-policy noeviction"]);
    let mut db = server.connect();
    db.decide_all("RL.MCHECK 1 a 5 1h b 5 1h");
    db.run::<()>("CONFIG SET maxmemory 1");
    let before = (db.digest(), db.info("rdb_changes_since_last_save"));
    for command in ["1 a 5 1h b 5 1h new 5 1h", "1 new 5 1h a 5 1h", "1 new 5 1h"] {
        let error = db.error(&format!("RL.MCHECK {command}"));
        assert!(error.starts_with("OOM "), "{command}: {error}");
    }
    // A check is denied even without memory.
    let decisions = db.decide_all("RL.MCHECK 2 new 5 1h a 2 1h");
    assert_eq!((decisions[0].allowed, decisions[1].allowed), (true, false));
    assert_eq!((db.digest(), db.info("rdb_changes_since_last_save")), before);
    let decisions = db.decide_all("RL.MCHECK 1 a 5 1h b 5 1h");
    assert_eq!((decisions[0].remaining, decisions[1].remaining), (3, 3));
    db.run::<()>("CONFIG SET maxmemory 0");
    db.decide_all("RL.MCHECK 1 a 5 1h b 5 1h new 5 1h");
}

#[test]
fn transactions_and_scripts_get_the_same_decisions() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("MULTI");
    for _ in 0..3 {
        db.run::<()>("RL.MCHECK 1 a 5 1h b 2 1h");
    }
    let replies: Vec<Vec<Decision>> = db.run("EXEC");
    let remaining: Vec<_> =
        replies.iter().map(|pair| (pair[0].remaining, pair[1].remaining)).collect();
    assert_eq!(remaining, [(4, 1), (3, 0), (3, 0)]);
    assert!(replies[2][0].allowed && !replies[2][1].allowed);

    let script =
        "return redis.call('RL.MCHECK', ARGV[1], KEYS[1], 5, '1h', KEYS[2], ARGV[2], '1h')";
    for (limit, allowed, left) in [("3", true, 2), ("3", false, 2), ("9", true, 1)] {
        let decisions: Vec<Decision> = db.run(["EVAL", script, "2", "a", "b", "1", limit]);
        assert_eq!((decisions[1].allowed, decisions[0].remaining), (allowed, left));
    }
    let catch = "return redis.pcall('RL.MCHECK', 1, KEYS[1], 5, '1h', KEYS[2], 'x', '1h').err";
    let error: String = db.run(["EVAL", catch, "2", "a", "b"]);
    assert_eq!(error, "ERR limit 'x' is not an integer from 0 to 1000000");
    let error = db.error(["EVAL_RO", script, "2", "a", "b", "1", "9"]);
    assert!(error.contains("Write commands are not allowed"), "{error}");
    assert_eq!((db.units("a"), db.units("b")), (4, 4));
}

#[test]
fn the_reply_is_an_array_of_six_integers_for_each_key_in_both_protocols() {
    let server = Server::start();
    let mut raw = server.connect_raw();
    let command = b"RL.MCHECK 1 a 5 1h b 9 1s\r\n";
    let reply = raw.exchange_bytes(command);
    let decisions = |left: [i64; 2]| {
        format!(
            "*2\r\n*6\r\n:1\r\n:5\r\n:{}\r\n:0\r\n:3600000\r\n:3600000\r\n\
             *6\r\n:1\r\n:9\r\n:{}\r\n:0\r\n:1000\r\n:1000\r\n",
            left[0], left[1]
        )
    };
    assert_eq!(String::from_utf8_lossy(&reply), decisions([4, 8]));
    raw.exchange_bytes(b"HELLO 3\r\nRL.RESET b\r\n");
    let reply = raw.exchange_bytes(command);
    assert_eq!(String::from_utf8_lossy(&reply), decisions([3, 8]));
    let mut db = server.connect_speaking(ProtocolVersion::RESP3);
    assert_eq!(db.decide_all("RL.MCHECK 1 a 5 1h").len(), 1);
}

#[test]
fn twenty_connections_on_overlapping_keys_use_exactly_the_limit() {
    const KEYS: usize = 5;
    let server = Server::start();
    let limit = |key: usize| 40 + 13 * key;
    let pair = |place: usize| [place % KEYS, (place + 1) % KEYS];
    let allowed: Vec<[usize; KEYS]> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..20)
            .map(|place| {
                let mut db = server.connect();
                let [a, b] = pair(place);
                let command = format!("RL.MCHECK 1 {a} {} 1h {b} {} 1h", limit(a), limit(b));
                scope.spawn(move || {
                    let mut allowed = [0; KEYS];
                    for _ in 0..60 {
                        if db.decide_all(&command).iter().all(|decision| decision.allowed) {
                            allowed[a] += 1;
                            allowed[b] += 1;
                        }
                    }
                    allowed
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().expect("no client failed")).collect()
    });
    let mut db = server.connect();
    let units: Vec<_> = (0..KEYS)
        .map(|key| usize::try_from(db.units(&key.to_string())).expect("units are not negative"))
        .collect();
    for (key, units) in units.iter().enumerate() {
        assert_eq!(*units, allowed.iter().map(|of_one| of_one[key]).sum::<usize>());
        assert!(*units <= limit(key), "{key}: {units}");
    }
    // No check is denied while both of its keys have room.
    assert!(
        (0..KEYS).all(|place| pair(place).iter().any(|&key| units[key] == limit(key))),
        "{units:?}"
    );
}
