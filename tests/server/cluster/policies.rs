//! Policies on every shard: a change on any primary reaches all nodes, also those that were away, are new or disagree.

use redis::Value;

use crate::support::{Client, Cluster, Server, Stop, field, policies, until};

/// Waits until all running nodes have the same policies, and the primaries report that.
#[track_caller]
fn wait_until_equal(cluster: &Cluster, expected: &[&str]) {
    until("all nodes have the same policies", || {
        let mut exports: Vec<_> =
            cluster.running().map(|node| policies(&mut node.connect())).collect();
        exports.dedup();
        exports.len() == 1 && cluster.running().all(|node| names(&mut node.connect()) == expected)
    });
}

fn names(db: &mut Client) -> Vec<String> {
    db.run("RL.POLICY LIST")
}

fn limit(db: &mut Client, name: &str) -> i64 {
    let policy: Value = db.run(&format!("RL.POLICY GET {name}"));
    let rules: Vec<(i64, i64)> = field(&policy, "rules").expect("the policy has rules");
    rules[0].0
}

#[test]
fn a_change_on_any_primary_reaches_every_node() {
    let cluster = Cluster::start(3, 1);
    let mut db = [0, 1, 2].map(|place| cluster[place].connect());
    db[0].run::<()>("RL.POLICY SET first 5 1h");
    wait_until_equal(&cluster, &["first"]);
    db[1].run::<()>("RL.POLICY SET second SHADOW 6 1h");
    db[2].run::<()>("RL.POLICY SET first 7 1h");
    wait_until_equal(&cluster, &["first", "second"]);
    until("the change has arrived", || (0..3).all(|place| limit(&mut db[place], "first") == 7));
    assert_eq!(db[0].run::<i64>("RL.POLICY DEL second"), 1);
    wait_until_equal(&cluster, &["first"]);
    let all = r#"{"policies":[{"name":"new","rules":[{"limit":5,"window":"1m"}]}]}"#;
    db[1].run::<()>(["RL.POLICY", "IMPORT", all]);
    wait_until_equal(&cluster, &["new"]);
    for place in 0..6 {
        let mut node = cluster[place].connect();
        until("the node has heard that all primaries are equal", || {
            let nodes: Vec<Value> = node.run("RL.POLICY SYNC");
            let equal = nodes.iter().filter(|node| field(node, "equal") == Ok(1_i64)).count();
            // A replica reports itself beside the three primaries.
            equal == if place < 3 { 3 } else { 4 }
        });
    }
    cluster.assert_one_truth();
    let replica = cluster[3].connect().error("RL.POLICY SET other 5 1h");
    assert!(replica.starts_with("READONLY"), "{replica}");
}

#[test]
fn a_node_that_was_away_gets_changes_and_deletions() {
    for lines in [
        ["appendonly yes", "appendfsync always", "aof-use-rdb-preamble no"],
        ["appendonly yes", "appendfsync always", "aof-use-rdb-preamble yes"],
    ] {
        let mut cluster = Cluster::with(3, 0, &lines);
        cluster[0].connect().run::<()>("RL.POLICY SET stays 5 1h");
        cluster[0].connect().run::<()>("RL.POLICY SET goes 5 1h");
        wait_until_equal(&cluster, &["goes", "stays"]);
        cluster[2].stop(Stop::Kill);
        cluster[0].connect().run::<i64>("RL.POLICY DEL goes");
        cluster[1].connect().run::<()>("RL.POLICY SET stays 6 1h");
        cluster[1].connect().run::<()>("RL.POLICY SET comes 7 1h");
        // The nodes that stayed restart too: versions and deletions are part of what they save.
        for place in [0, 1] {
            cluster[place].connect().run::<()>("BGREWRITEAOF");
            cluster[place].connect().wait_for_aof();
            cluster[place].restart(Stop::Kill);
        }
        cluster[2].start_again();
        wait_until_equal(&cluster, &["comes", "stays"]);
        let mut db = cluster[2].connect();
        until("the change has arrived", || limit(&mut db, "stays") == 6);
    }
}

#[test]
fn conflicting_changes_on_both_sides_of_a_partition_end_equal() {
    let cluster = Cluster::start(2, 0);
    let mut db = [0, 1].map(|place| cluster[place].connect());
    db[0].run::<()>("RL.POLICY SET both 1 1h");
    wait_until_equal(&cluster, &["both"]);
    cluster[1].pause();
    db[0].run::<()>("RL.POLICY SET both 2 1h");
    db[0].run::<()>("RL.POLICY SET one 2 1h");
    db[0].run::<()>("RL.POLICY SET contested 2 1h");
    cluster[0].pause();
    cluster[1].resume();
    db[1].run::<()>("RL.POLICY SET both 3 1h");
    db[1].run::<()>("RL.POLICY SET other 3 1h");
    db[1].run::<i64>("RL.POLICY DEL both");
    db[1].run::<()>("RL.POLICY SET contested 3 1h");
    cluster[0].resume();
    let mut last = Vec::new();
    until("both nodes have the same policies", || {
        last = [0, 1].map(|place| policies(&mut cluster[place].connect())).into();
        last[0] == last[1] && last[0].0.contains("one") && last[0].0.contains("other")
    });
    let either = limit(&mut db[0], "contested");
    assert!(either == 2 || either == 3, "{last:?}");
}

#[test]
fn changes_made_at_the_same_time_end_equal() {
    let cluster = Cluster::start(3, 0);
    std::thread::scope(|scope| {
        for place in 0..3 {
            let mut db = cluster[place].connect();
            scope.spawn(move || {
                for round in 0..200 {
                    let name = format!("p{}", (round * 7 + place) % 10);
                    let command = if (round + place) % 5 == 0 {
                        format!("RL.POLICY DEL {name}")
                    } else {
                        format!("RL.POLICY SET {name} {} 1h", 1 + round * 3 + place)
                    };
                    db.run::<Value>(&command);
                }
            });
        }
    });
    until("all nodes have the same policies", || {
        let mut all: Vec<_> = cluster.running().map(|node| policies(&mut node.connect())).collect();
        all.dedup();
        all.len() == 1
    });
}

#[test]
fn a_node_that_joins_gets_the_policies_and_brings_its_own() {
    let cluster = Cluster::start(2, 0);
    cluster[0].connect().run::<()>("RL.POLICY SET known 5 1h");
    let new = Server::with(&["cluster-enabled yes"]);
    let mut db = new.connect();
    db.run::<()>("RL.POLICY SET own 6 1h");
    let (_, bus): (String, u16) = db.run("CONFIG GET cluster-port");
    let meet = format!("CLUSTER MEET 127.0.0.1 {} {bus}", new.port());
    cluster[1].connect().run::<()>(&meet);
    until("the new node has all policies", || names(&mut db) == ["known", "own"]);
    wait_until_equal(&cluster, &["known", "own"]);
}

#[test]
fn a_snapshot_of_a_server_outside_a_cluster_is_adopted() {
    let mut alone = Server::start();
    let mut db = alone.connect();
    db.run::<()>("RL.POLICY SET old 5 1h");
    assert_eq!(db.error("RL.POLICY SYNC"), "ERR this server is not in a cluster");
    alone.stop(Stop::Save);
    let mut cluster = Cluster::start(2, 0);
    cluster[0].stop(Stop::NoSave);
    std::fs::copy(alone.path("dump.rdb"), cluster[0].path("dump.rdb")).expect("a snapshot");
    cluster[0].start_again();
    wait_until_equal(&cluster, &["old"]);
    cluster[1].connect().run::<i64>("RL.POLICY DEL old");
    wait_until_equal(&cluster, &[]);
}

#[test]
fn a_node_that_restarts_from_old_data_makes_newer_changes() {
    let mut cluster = Cluster::start(2, 0);
    let mut db = cluster[0].connect();
    db.run::<()>("RL.POLICY SET base 1 1h");
    db.run::<()>("SAVE");
    db.run::<()>("RL.POLICY SET p 1 1h");
    wait_until_equal(&cluster, &["base", "p"]);
    for round in 2..6 {
        cluster[1].connect().run::<()>(&format!("RL.POLICY SET q {round} 1h"));
    }
    wait_until_equal(&cluster, &["base", "p", "q"]);
    cluster[0].restart(Stop::Kill);
    let mut db = cluster[0].connect();
    let all = r#"{"policies":[{"name":"p","rules":[{"limit":2,"window":"1h"}]},{"name":"q","rules":[{"limit":9,"window":"1h"}]}]}"#;
    db.run::<()>(["RL.POLICY", "IMPORT", all]);
    let mut other = cluster[1].connect();
    until("the change has arrived", || limit(&mut other, "p") == 2 && limit(&mut other, "q") == 9);
    wait_until_equal(&cluster, &["p", "q"]);
    assert_eq!((limit(&mut db, "p"), limit(&mut db, "q")), (2, 9));
}

#[test]
fn policies_without_versions_do_not_replace_those_of_the_cluster() {
    let mut alone = Server::start();
    let mut db = alone.connect();
    db.run::<()>("RL.POLICY SET p 111 1h");
    db.run::<()>("RL.POLICY SET gone 111 1h");
    alone.stop(Stop::Save);
    let mut cluster = Cluster::start(2, 0);
    let mut db = cluster[0].connect();
    db.run::<()>("RL.POLICY SET gone 5 1h");
    db.run::<i64>("RL.POLICY DEL gone");
    db.run::<()>("RL.POLICY SET p 5 1h");
    wait_until_equal(&cluster, &["p"]);
    cluster[1].stop(Stop::NoSave);
    std::fs::copy(alone.path("dump.rdb"), cluster[1].path("dump.rdb")).expect("a snapshot");
    cluster[1].start_again();
    assert_eq!(names(&mut cluster[0].connect()), ["p"]);
    let mut other = cluster[1].connect();
    until("the node has the policies of the cluster", || {
        names(&mut other) == ["p"] && limit(&mut other, "p") == 5
    });
    assert_eq!((names(&mut db), limit(&mut db, "p")), (vec!["p".to_owned()], 5));
}

#[test]
fn a_promoted_replica_continues_the_versions() {
    let cluster = Cluster::start(2, 1);
    let mut db = cluster[0].connect();
    for round in 0..5 {
        db.run::<()>(&format!("RL.POLICY SET p {} 1h", 1 + round));
    }
    db.run::<()>("RL.POLICY SET gone 1 1h");
    db.run::<i64>("RL.POLICY DEL gone");
    wait_until_equal(&cluster, &["p"]);
    cluster.promote(2);
    cluster[2].connect().run::<()>("RL.POLICY SET p 9 1h");
    cluster[2].connect().run::<()>("RL.POLICY SET gone 9 1h");
    wait_until_equal(&cluster, &["gone", "p"]);
    for node in cluster.running() {
        let mut db = node.connect();
        until("the change has arrived", || limit(&mut db, "p") == 9);
    }
    cluster.assert_one_truth();
    // The former primary sends no digests any more, and is not compared.
    let mut db = cluster[1].connect();
    until("all compared nodes are equal", || {
        let nodes: Vec<Value> = db.run("RL.POLICY SYNC");
        nodes.len() == 2 && nodes.iter().all(|node| field(node, "equal") == Ok(1_i64))
    });
}

#[test]
fn a_version_of_the_distant_future_stays_on_its_node() {
    let mut cluster = Cluster::start(2, 0);
    let node = "f".repeat(40);
    let hostile = format!(
        r#"{{"policies":[{{"name":"h","version":"{}-{node}","rules":[{{"limit":1,"window":"1m"}}]}}]}}"#,
        1_u64 << 62
    );
    cluster[0].connect().run::<()>(["RL._POLICY", "MERGE", &hostile]);
    cluster[1].connect().run::<()>("RL.POLICY SET p 5 1m");
    let mut db = cluster[0].connect();
    until("a change of another node arrives", || names(&mut db) == ["h", "p"]);
    assert_eq!(names(&mut cluster[1].connect()), ["p"]);
    // The node can save and load its own changes.
    db.run::<()>("RL.POLICY SET q 5 1m");
    cluster[0].restart(Stop::Save);
    let mut db = cluster[0].connect();
    until("the node has loaded its policies", || names(&mut db) == ["h", "p", "q"]);
    assert_eq!(names(&mut cluster[1].connect()), ["p"]);
}
