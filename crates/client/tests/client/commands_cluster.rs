//! The routing of commands in a cluster.

use ratelog_client::command::{HitsOptions, ListOptions, ListedOverride, Override};
use ratelog_client::{AsyncCommands, Checks, Commands, Cost, Mode, Policy};
use ratelog_test_support::Cluster;

use crate::commands::cluster_client;
use crate::support::{policy_name, rule, rules};

async fn connect(cluster: &Cluster) -> redis::cluster_async::ClusterConnection {
    cluster_client(cluster).get_async_connection().await.unwrap()
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
        let _ = db.rl_check(&key, &five).await.unwrap();
        let _ = db.rl_peek(&key, &five).await.unwrap();
        db.rl_explain(&key, &five).await.unwrap();
        let checks = Checks::new(Cost::ONE, &key, rule(5, 60_000))
            .and(format!("{{user{number}}}:b"), rule(5, 60_000));
        assert_eq!(db.rl_mcheck(&checks).await.unwrap().len(), 2);
        assert_eq!(db.rl_refund(&key, Cost::ONE).await.unwrap(), 1);
        assert_eq!(db.rl_hits(&key, &HitsOptions::default()).await.unwrap().len(), 1);
        db.rl_set_override(&key, &Override::DENY).await.unwrap();
        assert!(db.rl_get_override(&key).await.unwrap().is_some());
        assert!(db.rl_del_override(&key).await.unwrap());
        assert_eq!(db.rl_inspect(&key).await.unwrap().unwrap().units, 1);
        assert_eq!(db.rl_reset(&key).await.unwrap(), 1);
    }
    assert_eq!(redirections(&cluster, 3), before);
}

/// A plain command of the `redis` crate is routed by its first argument, which is not always the key.
#[tokio::test]
async fn plain_commands_reach_the_shard_of_their_key() {
    let cluster = Cluster::start(3, 0);
    let mut db = connect(&cluster).await;
    for number in 0..30 {
        let (a, b) = (format!("{{user{number}}}:a"), format!("{{user{number}}}:b"));
        for (command, expected) in [
            (format!("RL.CHECK {a} 5 1h COST 2"), "1,5,3"),
            (format!("RL.PEEK {a} 5 1h"), "1,5,3"),
            (format!("RL.EXPLAIN {a} 5 1h"), "rules,1,5,3"),
            (format!("RL.MCHECK 1 {a} 5 1h {b} 3 1h"), "1,5,2,0,3600000,3600000,1,3,2"),
            (format!("RL.REFUND {a}"), "1"),
            (format!("RL.HITS {a} COUNT 1"), "1"),
            (format!("RL.INSPECT {a}"), "units,2"),
            (format!("RL.OVERRIDE SET {a} DENY"), "OK"),
            (format!("RL.OVERRIDE GET {a}"), "action,deny"),
            (format!("RL.OVERRIDE DEL {a}"), "1"),
            (format!("RL.RESET {a}"), "2"),
        ] {
            let mut words = command.split(' ');
            let mut plain = redis::cmd(words.next().unwrap());
            words.for_each(|word| {
                plain.arg(word);
            });
            let reply = flat(plain.query_async(&mut db).await.unwrap()).join(",");
            assert!(reply.starts_with(expected), "{command}: {reply}");
        }
    }
}

/// The texts and numbers of a reply, in order.
fn flat(reply: redis::Value) -> Vec<String> {
    match reply {
        redis::Value::Array(items) => items.into_iter().flat_map(flat).collect(),
        redis::Value::Map(pairs) => {
            pairs.into_iter().flat_map(|(key, value)| [flat(key), flat(value)].concat()).collect()
        }
        redis::Value::Nil => Vec::new(),
        other => vec![redis::from_redis_value(other).unwrap()],
    }
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
    assert!(db.rl_del_policy(&name).await.unwrap());
    assert_eq!(known(&cluster), [[] as [&str; 0]; 3]);
    assert!(!db.rl_del_policy(&name).await.unwrap());
}

#[tokio::test]
async fn overrides_are_listed_page_by_page_on_every_primary() {
    let cluster = Cluster::start(3, 1);
    let mut db = connect(&cluster).await;
    let mut keys: Vec<_> = (0..100).map(|number| format!("user{number}")).collect();
    for key in &keys {
        db.rl_set_override(key, &Override::DENY).await.unwrap();
    }
    let options = ListOptions::default().with_count(3);
    let first = db.rl_override_pages(&options).await.unwrap();
    assert_eq!(first.iter().map(|page| page.overrides.len()).collect::<Vec<_>>(), [3; 3]);
    for page in first {
        let cursor = page.next.unwrap();
        let node = cursor.node.clone().unwrap();
        let next = db.rl_next_override_page(&cursor, &options).await.unwrap();
        // Each of the three nodes has the keys of its page, and knows the cursor.
        for listed in page.overrides.iter().chain(&next.overrides) {
            let key = str::from_utf8(&listed.key).unwrap();
            assert_eq!(cluster[cluster.primary_of(key)].port(), node.port, "{key}");
        }
        assert_eq!((next.overrides.len(), next.next.unwrap().node), (3, Some(node)));
    }
    let mut blocking = cluster_client(&cluster).get_connection().unwrap();
    keys.sort();
    for count in [3, 1_000] {
        let options = ListOptions::default().with_count(count);
        let listed = db.rl_list_overrides(&options).await.unwrap();
        assert_eq!(keys_of(&listed), keys);
        let listed = Commands::rl_list_overrides(&mut blocking, &options).unwrap();
        assert_eq!(keys_of(&listed), keys);
    }
    let some = options.with_pattern("user1?");
    assert_eq!(keys_of(&db.rl_list_overrides(&some).await.unwrap()), keys[2..12]);
}

/// The keys of overrides, sorted.
fn keys_of(listed: &[ListedOverride]) -> Vec<String> {
    let key = |listed: &ListedOverride| String::from_utf8(listed.key.clone()).unwrap();
    let mut keys: Vec<_> = listed.iter().map(key).collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn a_cluster_of_one_shard_lists_the_overrides_of_its_primary() {
    let cluster = Cluster::start(1, 1);
    let mut db = connect(&cluster).await;
    for key in ["a", "b", "c"] {
        db.rl_set_override(key, &Override::DENY).await.unwrap();
    }
    let options = ListOptions::default().with_count(1);
    let first = db.rl_override_pages(&options).await.unwrap();
    let cursor = first[0].next.clone().unwrap();
    assert_eq!(cursor.node.unwrap().port, cluster[0].port());
    assert_eq!(keys_of(&db.rl_list_overrides(&options).await.unwrap()), ["a", "b", "c"]);
}

#[tokio::test]
async fn statistics_are_summed_over_all_shards() {
    let cluster = Cluster::start(3, 0);
    let mut db = connect(&cluster).await;
    for number in 0..40 {
        let _ = db.rl_check(format!("user{number}"), &rules(&[(5, 60_000)])).await.unwrap();
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
    let _ = db.rl_check("before", &five).await.unwrap();
    let (slot, from) = (cluster.slot_of("k"), cluster.primary_of("k"));
    let target = Cluster::id_of(&cluster[(from + 1) % 3]);
    for node in cluster.each_node() {
        node.connect().run::<()>(&format!("CLUSTER SETSLOT {slot} NODE {target}"));
    }
    assert!(db.rl_check("k", &five).await.unwrap().allowed());
    assert_eq!(cluster[(from + 1) % 3].connect().units("k"), 1);
    assert!(redirections(&cluster, 3) > 0, "the connection learned it from a redirection");
}
