//! A cluster: redirections, and keys that move with their slots.

use crate::support::{Client, Edition, Server, until};

/// `CLUSTER KEYSLOT k`.
const SLOT_OF_K: u16 = 7629;

/// Two nodes that know each other; the first has every slot.
pub fn two_nodes() -> [Server; 2] {
    let nodes = [(); 2].map(|()| Server::with(&["cluster-enabled yes"]));
    let [mut first, mut second] = nodes.each_ref().map(Server::connect);
    first.run::<()>("CLUSTER ADDSLOTSRANGE 0 16383");
    let (_, bus): (String, u16) = second.run("CONFIG GET cluster-port");
    let port = nodes[1].port();
    first.run::<()>(&format!("CLUSTER MEET 127.0.0.1 {port} {bus}"));
    for db in [&mut first, &mut second] {
        until("the cluster is up", || {
            let info: String = db.run("CLUSTER INFO");
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:2")
        });
    }
    nodes
}

/// A log under `k`, its digest and its expiry.
fn fill(db: &mut Client) -> (Vec<String>, i64) {
    let now = db.now_ms();
    let hits: Vec<_> = (0..500).map(|step| (now - 500_000 + 999 * step, 1 + step % 3)).collect();
    db.record("k", 3_600_000, &hits);
    assert_eq!(db.run::<u16>("CLUSTER KEYSLOT k"), SLOT_OF_K);
    state(db)
}

fn state(db: &mut Client) -> (Vec<String>, i64) {
    (db.value_digests(&["k"]), db.run("PEXPIRETIME k"))
}

#[test]
fn a_node_without_the_slot_points_to_the_node_that_has_it() {
    let nodes = two_nodes();
    let [mut first, mut second] = nodes.each_ref().map(Server::connect);
    assert!(first.decide("RL.CHECK k 5 1h").allowed);
    let moved = format!("MOVED {SLOT_OF_K} 127.0.0.1:{}", nodes[0].port());
    for command in [
        "RL.CHECK k 5 1h",
        "RL.PEEK k 5 1h",
        "RL.REFUND k",
        "RL.RESET k",
        "RL.INSPECT k",
        "RL.HITS k",
    ] {
        assert_eq!(second.error(command), moved, "{command}");
    }
}

#[test]
fn a_log_that_migrates_with_its_slot_is_the_same_log() {
    let nodes = two_nodes();
    let [mut first, mut second] = nodes.each_ref().map(Server::connect);
    let (digests, expires_at) = fill(&mut first);
    let ids = [&mut first, &mut second].map(|db| db.run::<String>("CLUSTER MYID"));
    second.run::<()>(&format!("CLUSTER SETSLOT {SLOT_OF_K} IMPORTING {}", ids[0]));
    first.run::<()>(&format!("CLUSTER SETSLOT {SLOT_OF_K} MIGRATING {}", ids[1]));
    let port = nodes[1].port();
    first.run::<()>(&format!("MIGRATE 127.0.0.1 {port} k 0 5000"));
    let error = first.error("RL.CHECK k 5 1h");
    assert_eq!(error, format!("ASK {SLOT_OF_K} 127.0.0.1:{port}"));
    second.run::<()>("ASKING");
    assert!(!second.decide("RL.CHECK k 5 1h").allowed);
    for db in [&mut second, &mut first] {
        db.run::<()>(&format!("CLUSTER SETSLOT {SLOT_OF_K} NODE {}", ids[1]));
    }
    until("the other node serves the slot", || second.attempt::<()>("RL.PEEK k 5 1h").is_ok());
    let arrived = state(&mut second);
    assert_eq!(arrived.0, digests);
    assert!((arrived.1 - expires_at).abs() < 1000);
}

#[test]
fn a_log_whose_slot_migrates_at_once_is_the_same_log() {
    let nodes = two_nodes();
    let [mut first, mut second] = nodes.each_ref().map(Server::connect);
    if !matches!(nodes[0].edition(), Edition::Valkey { major: 9.., .. }) {
        println!("skipped: this server has no atomic slot migration");
        return;
    }
    let before = fill(&mut first);
    let target: String = second.run("CLUSTER MYID");
    first.run::<()>(&format!(
        "CLUSTER MIGRATESLOTS SLOTSRANGE {SLOT_OF_K} {SLOT_OF_K} NODE {target}"
    ));
    until("the other node serves the slot", || second.attempt::<()>("RL.PEEK k 5 1h").is_ok());
    assert_eq!(state(&mut second), before);
}
