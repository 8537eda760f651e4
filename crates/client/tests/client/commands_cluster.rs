//! The routing of commands in a cluster.

use ratelog_client::{AsyncCommands, Checks, Cost, Mode, Policy};
use ratelog_test_support::Cluster;

use crate::support::{policy_name, rule, rules};

async fn connect(cluster: &Cluster) -> redis::cluster_async::ClusterConnection {
    let url = format!("redis://127.0.0.1:{}/", cluster[0].port());
    let client = redis::cluster::ClusterClient::new([url]).unwrap();
    client.get_async_connection().await.unwrap()
}

/// The number of commands that were sent to the wrong node.
fn redirections(cluster: &Cluster, nodes: usize) -> i64 {
    let of_node = |node: usize| {
        let errors: String = cluster[node].connect().run("INFO errorstats");
        let moved = errors.lines().find_map(|line| line.strip_prefix("errorstat_MOVED:count="));
        moved.map_or(0, |count| count.trim().parse().unwrap())
    };
    (0..nodes).map(of_node).sum()
}

#[tokio::test]
async fn commands_are_sent_to_the_shard_of_their_key() {
    let cluster = Cluster::start(3, 0);
    let mut db = connect(&cluster).await;
    let before = redirections(&cluster, 3);
    for number in 0..30 {
        let key = format!("{{user{number}}}:a");
        let five = rules(&[(5, 60_000)]);
        db.rl_check(&key, &five).await.unwrap();
        db.rl_peek(&key, &five).await.unwrap();
        let checks = Checks::new(Cost::ONE, &key, rule(5, 60_000))
            .and(format!("{{user{number}}}:b"), rule(5, 60_000));
        assert_eq!(db.rl_mcheck(&checks).await.unwrap().len(), 2);
        db.rl_get_override(&key).await.unwrap();
        db.rl_del_override(&key).await.unwrap();
        db.rl_inspect(&key).await.unwrap();
        db.rl_reset(&key).await.unwrap();
    }
    assert_eq!(redirections(&cluster, 3), before);
}

#[tokio::test]
async fn a_policy_is_set_and_deleted_on_every_shard() {
    let cluster = Cluster::start(3, 0);
    let mut db = connect(&cluster).await;
    let name = policy_name("api");
    let policy = Policy { rules: rules(&[(5, 60_000)]), mode: Mode::Enforce };
    db.rl_set_policy(&name, &policy).await.unwrap();
    let known = |cluster: &Cluster| {
        let names = |node: usize| cluster[node].connect().run::<Vec<String>>("RL.POLICY LIST");
        [names(0), names(1), names(2)]
    };
    assert_eq!(known(&cluster), [["api"]; 3]);
    // It exists if any shard had it.
    cluster[1].connect().run::<i64>("RL.POLICY DEL api");
    assert!(db.rl_del_policy(&name).await.unwrap());
    assert_eq!(known(&cluster), [[] as [&str; 0]; 3]);
}

#[tokio::test]
async fn statistics_are_summed_over_all_shards() {
    let cluster = Cluster::start(3, 0);
    let mut db = connect(&cluster).await;
    for number in 0..40 {
        db.rl_check(format!("user{number}"), &rules(&[(5, 60_000)])).await.unwrap();
    }
    let of_node = |node: usize| {
        let stats: std::collections::HashMap<String, redis::Value> =
            cluster[node].connect().run("RL.STATS");
        redis::from_redis_value::<u64>(stats["checks"].clone()).unwrap()
    };
    let each = [of_node(0), of_node(1), of_node(2)];
    assert!(each.iter().all(|&count| count > 0), "{each:?}");
    assert_eq!(db.rl_stats().await.unwrap().total.checks, 40);
}

#[tokio::test]
async fn keys_in_two_slots_are_rejected() {
    let cluster = Cluster::start(2, 0);
    let mut db = connect(&cluster).await;
    let checks = Checks::new(Cost::ONE, "a", rule(5, 60_000)).and("b", rule(5, 60_000));
    let error = db.rl_mcheck(&checks).await.unwrap_err();
    assert!(
        error.to_string().contains("CrossSlot") || error.to_string().contains("slot"),
        "{error}"
    );
}

#[tokio::test]
async fn a_moved_slot_is_followed() {
    let cluster = Cluster::start(3, 0);
    let mut db = connect(&cluster).await;
    let five = rules(&[(5, 60_000)]);
    db.rl_check("before", &five).await.unwrap();
    let (slot, from) = (cluster.slot_of("k"), cluster.primary_of("k"));
    let target = Cluster::id_of(&cluster[(from + 1) % 3]);
    cluster.run_on_primaries(&format!("CLUSTER SETSLOT {slot} NODE {target}"));
    assert!(db.rl_check("k", &five).await.unwrap().allowed());
    assert_eq!(cluster[(from + 1) % 3].connect().units("k"), 1);
    assert!(redirections(&cluster, 3) > 0, "the connection learned it from a redirection");
}
