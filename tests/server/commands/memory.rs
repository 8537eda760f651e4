//! Memory: its limit, its usage and its release.

use crate::support::{Client, Random, Server, assert_same_dataset, until};

/// Sets `maxmemory` so that the server has no memory left.
fn exhaust(db: &mut Client) {
    db.run::<()>("CONFIG SET maxmemory-policy noeviction");
    db.run::<()>("CONFIG SET maxmemory 1");
    assert!(db.error("SET another key").starts_with("OOM"));
}

#[test]
fn without_memory_existing_keys_are_still_limited() {
    let server = Server::start();
    let mut db = server.connect();
    db.decide("RL.CHECK k 5 1h");
    exhaust(&mut db);
    for remaining in (0..4).rev() {
        assert_eq!(db.decide("RL.CHECK k 5 1h").remaining, remaining);
    }
    assert!(!db.decide("RL.CHECK k 5 1h").allowed);
    assert_eq!(db.decide("RL.PEEK k 9 1h").remaining, 4);
    assert_eq!(db.units("k"), 5);
    assert_eq!(db.run::<i64>("RL.REFUND k COST 2"), 2);
    assert_eq!(db.run::<i64>("RL.RESET k"), 3);
}

#[test]
fn without_memory_a_new_key_is_rejected_with_a_reason() {
    let server = Server::start();
    let mut db = server.connect();
    exhaust(&mut db);
    let error = db.error("RL.CHECK new 5 1h");
    assert!(error.starts_with("OOM "), "{error}");
    assert_eq!(db.run::<i64>("EXISTS new"), 0);
    assert_eq!(db.decide("RL.PEEK new 5 1h").remaining, 5);
    assert_eq!(db.decide("RL.CHECK new 5 1h COST 6").retry_after_ms, -1);
    assert_eq!(db.run::<i64>("RL.REFUND new"), 0);
    assert_eq!(db.run::<i64>("RL.RESET new"), 0);
    db.run::<()>("CONFIG SET maxmemory 0");
    assert!(db.decide("RL.CHECK new 5 1h").allowed);
}

#[test]
fn a_server_that_evicts_accepts_new_keys() {
    let server = Server::start();
    let mut db = server.connect();
    let used = db.info_number("used_memory");
    db.run::<()>("CONFIG SET maxmemory-policy allkeys-lru");
    let limit = used + 300_000;
    db.run::<()>(&format!("CONFIG SET maxmemory {limit}"));
    for key in 0..5000 {
        assert!(db.decide(&format!("RL.CHECK k{key} 5 1h")).allowed);
    }
    assert!(db.info_number("evicted_keys") > 0);
}

/// Sets overrides on new keys until one is an error, at most `most`. Returns the number of overrides that were set.
fn fill(db: &mut Client, prefix: &str, most: usize) -> usize {
    (0..most)
        .find(|key| {
            let reply = db.attempt::<()>(&format!("RL.OVERRIDE SET {prefix}:{key} DENY"));
            reply.is_err_and(|error| {
                assert!(error.starts_with("OOM "), "{error}");
                true
            })
        })
        .unwrap_or(most)
}

#[test]
fn permanent_overrides_do_not_exceed_the_memory_of_a_server_that_evicts_keys_with_an_expiry() {
    for policy in ["volatile-lru", "volatile-ttl", "volatile-random"] {
        let server = Server::start();
        let mut db = server.connect();
        db.run::<()>("SELECT 3");
        db.run::<()>(&format!("CONFIG SET maxmemory-policy {policy}"));
        let limit = db.info_number("used_memory") + 300_000;
        db.run::<()>(&format!("CONFIG SET maxmemory {limit}"));
        db.decide("RL.CHECK evicted 5 1h");
        let set = fill(&mut db, "k", 5_000);
        assert!((100..4_000).contains(&set), "{policy}: {set} overrides");
        assert_eq!(db.info("evicted_keys"), "1", "{policy}");
        // The memory of the connections must not decide.
        db.run::<()>(&format!("CONFIG SET maxmemory {}", limit - 100_000));
        assert!(db.error("SET another key").starts_with("OOM"));
        // An override that exists can be changed, and an end can be given to it.
        db.run::<()>("RL.OVERRIDE SET k:1 LIMIT 5 1h");
        // The server can evict these keys.
        assert!(db.decide("RL.CHECK new 5 1h").allowed);
        assert_eq!(db.run::<i64>("EXISTS new"), 0, "{policy}");
        db.run::<()>("RL.OVERRIDE SET short DENY EX 600");
        assert_eq!(db.run::<i64>("EXISTS short"), 0, "{policy}");
        assert_eq!(fill(&mut db, "l", 9), 0, "{policy}");
        db.run::<i64>("RL.OVERRIDE DEL k:2");
        db.run::<()>("CONFIG SET maxmemory 0");
        assert_eq!(fill(&mut db, "m", 9), 9, "{policy}");
    }
}

#[test]
fn an_override_is_set_while_there_are_keys_to_evict() {
    let server = Server::start();
    let mut db = server.connect();
    for policy in ["volatile-ttl", "allkeys-lru"] {
        db.run::<()>("FLUSHALL");
        db.run::<()>("CONFIG SET maxmemory 0");
        db.run::<()>(&format!("CONFIG SET maxmemory-policy {policy}"));
        for key in 0..2_000 {
            db.decide(&format!("RL.CHECK log:{key} 5 1h"));
        }
        let used = db.info_number("used_memory");
        db.run::<()>(&format!("CONFIG SET maxmemory {}", used - 20_000));
        assert_eq!(fill(&mut db, "k", 500), 500, "{policy}");
    }
}

#[test]
fn an_existing_key_gets_a_permanent_override_without_memory() {
    let server = Server::start();
    let mut db = server.connect();
    db.decide("RL.CHECK k 5 1h");
    exhaust(&mut db);
    db.run::<()>("RL.OVERRIDE SET k DENY");
    assert!(!db.decide("RL.CHECK k 5 1h").allowed);
    assert_eq!(fill(&mut db, "new", 1), 0);
}

#[test]
fn a_replica_without_memory_still_follows_its_primary() {
    let server = Server::start();
    let replica = server.start_replica(&["maxmemory 1", "maxmemory-policy noeviction"]);
    let mut db = server.connect();
    for key in 0..20 {
        db.decide(&format!("RL.CHECK k{key} 5 1h"));
    }
    assert_same_dataset(&server, &replica);
    assert_eq!(replica.connect().run::<i64>("DBSIZE"), 20);
}

#[test]
fn a_log_is_small() {
    let server = Server::start();
    let mut db = server.connect();
    let mut random = Random::seeded(7);
    let now = db.now_ms();
    for (key, units, most) in [("few", 10, 200), ("many", 1000, 3000)] {
        let mut instant = now - 60_000;
        let gap = 120_000 / units;
        let bound = usize::try_from(gap).expect("a gap is small") - 1;
        let hits: Vec<_> = (0..units)
            .map(|_| {
                instant += i64::try_from(1 + random.below(bound)).expect("a gap is small") / 2;
                (instant, 1)
            })
            .collect();
        db.record(key, 3_600_000, &hits);
        let usage: i64 = db.run(["MEMORY", "USAGE", key]);
        assert!(usage <= most, "{units} units take {usage} bytes");
    }
}

#[test]
fn memory_usage_matches_the_memory_of_a_large_log() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("SET warm-up 1");
    let now = db.now_ms();
    let before = db.info_number("used_memory");
    let hits: Vec<_> = (0..100_000).map(|step| (now - 9_000_000 + 89 * step, 1)).collect();
    for part in hits.chunks(10_000) {
        db.record("k", 31_622_400_000, part);
    }
    let taken = db.info_number("used_memory") - before;
    let reported: i64 = db.run("MEMORY USAGE k");
    // The server's own buffers also change the used memory.
    assert!((reported - taken).abs() < reported / 10 + 100_000, "{reported} of {taken}");
    assert!(reported < 300_000, "{reported} bytes for 100,000 units");
}

#[test]
fn flushing_frees_all_memory() {
    let server = Server::start();
    let mut db = server.connect();
    let mut fill_and_flush = || {
        let request: String = (0..20_000)
            .map(|key| format!("RL.CHECK k{key} 50 1h COST 2\r\nRL.CHECK k{key} 50 2h\r\n"))
            .collect();
        server.connect_raw().exchange_bytes(request.as_bytes());
        assert_eq!(db.run::<i64>("DBSIZE"), 20_000);
        db.run::<()>("FLUSHALL SYNC");
        until("the other connection is closed", || db.info("connected_clients") == "1");
        db.info_number("used_memory")
    };
    let first = fill_and_flush();
    let second = fill_and_flush();
    assert!((second - first).abs() < 100_000, "{first} then {second}");
}
