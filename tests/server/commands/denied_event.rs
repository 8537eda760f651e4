//! The keyspace event `rl.denied`: a key begins to be denied.

use redis::Value;

use crate::support::{Events, Server, wait_until_in_step};

const ON: &str = "notify-keyspace-events KEd";

#[test]
fn the_first_denial_after_an_allowed_check_is_published_once() {
    let server = Server::with(&[ON]);
    let mut events = Events::of(&server);
    let mut db = server.connect();
    let mut denied = |command: &str| {
        db.run::<Value>(command);
        events.of_kind("rl.denied")
    };
    for _ in 0..2 {
        assert!(denied("RL.CHECK k 2 1h").is_empty());
    }
    assert_eq!(denied("RL.CHECK k 2 1h"), ["k"]);
    for _ in 0..3 {
        assert!(denied("RL.CHECK k 2 1h").is_empty());
    }
    // Keys are independent.
    assert!(denied("RL.CHECK l 1 1h").is_empty());
    assert_eq!(denied("RL.CHECK l 1 1h"), ["l"]);
    assert!(denied("RL.CHECK k 2 1h").is_empty());
    for _ in 0..2 {
        assert!(denied("RL.CHECK k 9 1h").is_empty());
        assert_eq!(denied("RL.CHECK k 2 1h"), ["k"]);
    }
    // A peek is neither denied nor allowed.
    assert!(denied("RL.PEEK k 9 1h").is_empty());
    assert!(denied("RL.PEEK k 2 1h").is_empty());
    assert!(denied("RL.CHECK k 2 1h").is_empty());
    assert!(denied("RL.CHECK l 9 1h").is_empty());
    assert!(denied("RL.PEEK l 1 1h").is_empty());
}

#[test]
fn policies_and_overrides_publish_denials_and_shadow_policies_do_not() {
    let server = Server::with(&[ON]);
    let mut events = Events::of(&server);
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET gold 1 1h");
    db.run::<()>("RL.POLICY SET trial SHADOW 1 1h");
    let mut denied = |command: &str| {
        db.run::<Value>(command);
        events.of_kind("rl.denied")
    };
    for _ in 0..4 {
        assert!(denied("RL.CHECK s POLICY trial").is_empty());
    }
    assert!(denied("RL.CHECK g POLICY gold").is_empty());
    assert_eq!(denied("RL.CHECK g POLICY gold"), ["g"]);
    // A check under a shadow policy is always allowed, so it ends the denial.
    assert!(denied("RL.CHECK g POLICY trial").is_empty());
    assert_eq!(denied("RL.CHECK g POLICY gold"), ["g"]);
    assert!(denied("RL.OVERRIDE SET g ALLOW").is_empty());
    assert!(denied("RL.CHECK g POLICY gold").is_empty());
    assert!(denied("RL.OVERRIDE SET g DENY").is_empty());
    assert_eq!(denied("RL.CHECK g POLICY gold"), ["g"]);
    assert!(denied("RL.CHECK g POLICY gold").is_empty());
}

#[test]
fn only_denied_keys_are_published() {
    let server = Server::with(&[ON]);
    let mut events = Events::of(&server);
    let mut db = server.connect();
    let mut denied = |command: &str| {
        db.run::<Value>(command);
        events.of_kind("rl.denied")
    };
    assert!(denied("RL.MCHECK 1 a 9 1h b 1 1h c 1 1h").is_empty());
    assert_eq!(denied("RL.MCHECK 1 a 9 1h b 1 1h c 1 1h"), ["b", "c"]);
    assert!(denied("RL.MCHECK 1 a 9 1h b 1 1h c 1 1h").is_empty());
    assert!(denied("RL.MCHECK 1 a 9 1h b 9 1h").is_empty());
    assert_eq!(denied("RL.MCHECK 1 a 9 1h b 1 1h c 1 1h"), ["b"]);
}

#[test]
fn nothing_is_published_unless_notifications_are_on() {
    for setting in ["\"\"", "d", "KEA", "KEg$lx"] {
        let server = Server::with(&[&format!("notify-keyspace-events {setting}")]);
        let mut events = Events::of(&server);
        let mut db = server.connect();
        for _ in 0..2 {
            db.decide("RL.CHECK k 1 1h");
        }
        let published = events.of_kind("rl.denied");
        // `A` stands for all classes, including the class of modules.
        assert_eq!(published.len(), usize::from(setting == "KEA"), "{setting}: {published:?}");
    }
}

#[test]
fn both_kinds_of_channel_receive_the_event() {
    let server = Server::with(&[ON]);
    let mut subscriber = server.connect_raw();
    subscriber.send(b"PSUBSCRIBE __key*\r\n");
    subscriber.receive_until(b":1\r\n");
    let mut db = server.connect();
    for _ in 0..2 {
        db.decide("RL.CHECK k 1 1h");
    }
    let published = subscriber.receive_until(b"__keyevent@0__:rl.denied\r\n$1\r\nk\r\n");
    let published = String::from_utf8_lossy(&published).into_owned();
    assert!(published.contains("__keyspace@0__:k\r\n$9\r\nrl.denied\r\n"), "{published}");
}

#[test]
fn transactions_and_scripts_publish_the_event() {
    let server = Server::with(&[ON]);
    let mut events = Events::of(&server);
    let mut db = server.connect();
    db.run::<()>("MULTI");
    for _ in 0..3 {
        db.run::<()>("RL.CHECK k 1 1h");
    }
    db.run::<Value>("EXEC");
    assert_eq!(events.of_kind("rl.denied"), ["k"]);
    let script = "for i = 1, 3 do redis.call('RL.CHECK', KEYS[1], 1, '1h') end";
    db.run::<()>(["EVAL", script, "1", "l"]);
    assert_eq!(events.of_kind("rl.denied"), ["l"]);
}

#[test]
fn only_the_node_that_decided_publishes_the_event() {
    let server = Server::with(&[ON]);
    let replica = server.start_replica(&[ON]);
    let mut there = Events::of(&replica);
    let mut events = Events::of(&server);
    let mut db = server.connect();
    for _ in 0..3 {
        db.decide("RL.CHECK k 1 1h");
    }
    let ahead = db.now_ms() + 3_600_000;
    db.record("k", 7_200_000, &[(ahead, 1)]);
    db.decide("RL.CHECK k 1 1h");
    wait_until_in_step(&server, &replica);
    assert_eq!(events.of_kind("rl.denied"), ["k"]);
    assert!(there.of_kind("rl.denied").is_empty());
}
