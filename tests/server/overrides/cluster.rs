//! Overrides that move with their slot.

use crate::support::{Client, Cluster, Server, ServerVersion, until};

/// The result of `CLUSTER KEYSLOT k`. Keys with the tag `{k}` are in the same slot.
const SLOT: u16 = 7629;
const KEYS: [&str; 4] = ["k", "{k}deny", "{k}limit", "{k}over"];
const LIST: [&str; 3] = ["0 k allow", "0 {k}deny deny", "0 {k}limit limit 5 60000"];

fn fill(db: &mut Client) {
    for key in ["{k}limit", "{k}over"] {
        db.decide(&format!("RL.CHECK {key} 5 1h COST 3"));
    }
    for (key, key_override) in KEYS.iter().zip(["ALLOW", "DENY EX 7200", "LIMIT 5 1m", "DENY PX 1"])
    {
        db.run::<()>(&format!("RL.OVERRIDE SET {key} {key_override}"));
    }
    until("one override has ended", || db.get_override("{k}over").is_none());
    assert_eq!(db.overrides(), LIST);
}

/// Returns the node that has the keys' slot, and the other node.
fn owner_and_other(cluster: &Cluster) -> [&Server; 2] {
    let owner = cluster.primary_of("k");
    [&cluster[owner], &cluster[1 - owner]]
}

#[test]
fn a_transaction_about_another_slot_lists_and_keeps_every_override() {
    let cluster = Cluster::start(2, 0);
    let [owner, _] = owner_and_other(&cluster);
    let mut db = owner.connect();
    fill(&mut db);
    // Another key of the same node, in another slot.
    let other = (0..100)
        .map(|number| format!("other:{number}"))
        .find(|key| db.attempt::<redis::Value>(&format!("GET {key}")).is_ok())
        .expect("the node has another slot");
    for script in [false, true] {
        let replies: Vec<redis::Value> = if script {
            let list = "redis.call('GET', KEYS[1]) return {0, redis.call('RL.OVERRIDE', 'LIST')}";
            db.run(["EVAL", list, "1", &other])
        } else {
            db.run::<()>("MULTI");
            db.run::<()>(&format!("GET {other}"));
            db.run::<()>("RL.OVERRIDE LIST");
            db.run("EXEC")
        };
        let page: (String, Vec<redis::Value>) =
            redis::from_redis_value(replies[1].clone()).expect("a page");
        assert_eq!(page.1.len(), LIST.len(), "script: {script}");
        assert_eq!(db.overrides(), LIST, "script: {script}");
    }
}

#[test]
fn overrides_migrated_key_by_key_are_listed_by_the_node_that_has_the_slot() {
    let cluster = Cluster::start(2, 0);
    let nodes = owner_and_other(&cluster);
    let [mut first, mut second] = nodes.map(Server::connect);
    fill(&mut first);
    let digests = first.value_digests(&KEYS);
    let ids = [&mut first, &mut second].map(|db| db.run::<String>("CLUSTER MYID"));
    second.run::<()>(&format!("CLUSTER SETSLOT {SLOT} IMPORTING {}", ids[0]));
    first.run::<()>(&format!("CLUSTER SETSLOT {SLOT} MIGRATING {}", ids[1]));
    let port = nodes[1].port();
    first.run::<()>(&format!("MIGRATE 127.0.0.1 {port} k 0 5000"));
    assert_eq!(first.overrides(), LIST[1..]);
    assert_eq!(second.overrides(), LIST[..1]);
    let rest = KEYS[1..].join(" ");
    first.run::<()>(&format!("MIGRATE 127.0.0.1 {port}  0 5000 KEYS {rest}"));
    assert_eq!(first.overrides(), Vec::<String>::new());
    assert_eq!(second.overrides(), LIST);
    for db in [&mut second, &mut first] {
        db.run::<()>(&format!("CLUSTER SETSLOT {SLOT} NODE {}", ids[1]));
    }
    until("the other node serves the slot", || second.attempt::<()>("RL.PEEK k 5 1h").is_ok());
    assert_eq!(second.value_digests(&KEYS), digests);
    assert_eq!(second.decide("RL.CHECK k 1 1h COST 5").remaining, 1);
    assert!(!second.decide("RL.CHECK {k}deny 5 1h").allowed);
    assert_eq!(second.decide("RL.CHECK {k}limit 9 1h").remaining, 1);
    for command in ["RL.OVERRIDE SET k DENY", "RL.OVERRIDE GET k", "RL.OVERRIDE DEL k"] {
        assert_eq!(first.error(command), format!("MOVED {SLOT} 127.0.0.1:{port}"), "{command}");
    }
}

#[test]
fn overrides_migrated_atomically_are_listed_by_the_node_that_has_the_slot() {
    let cluster = Cluster::start(2, 0);
    let nodes = owner_and_other(&cluster);
    if !matches!(nodes[0].server_version(), ServerVersion::Valkey { major: 9.., .. }) {
        println!("skipped: this server has no atomic slot migration");
        return;
    }
    let [mut first, mut second] = nodes.map(Server::connect);
    fill(&mut first);
    let digests = first.value_digests(&KEYS);
    let target: String = second.run("CLUSTER MYID");
    first.run::<()>(&format!("CLUSTER MIGRATESLOTS SLOTSRANGE {SLOT} {SLOT} NODE {target}"));
    until("the other node serves the slot", || second.attempt::<()>("RL.PEEK k 5 1h").is_ok());
    assert_eq!(second.overrides(), LIST);
    assert_eq!(second.value_digests(&KEYS), digests);
    until("the node releases the slot", || first.error("RL.PEEK k 5 1h").starts_with("MOVED"));
    until("the node releases the keys", || first.run::<i64>("DBSIZE") == 0);
    assert_eq!(first.overrides(), Vec::<String>::new());
}
