//! A limiter of a cluster whose shards are lost one by one, and move.

use std::collections::HashMap;
use std::time::Duration;

use ratelog_client::command::Override;
use ratelog_client::limiter::{BreakerState, Builder, Fallback, Health, ShardHealth};
use ratelog_client::{RateLimiter, Source};
use ratelog_test_support::{Cluster, Server, Stop};

use crate::load::Load;
use crate::log::Log;
use crate::proxy::Proxy;
use crate::support::{fast_probes, rules, until};

/// Shards are served while others are lost.
const PARTIAL: [&str; 1] = ["cluster-require-full-coverage no"];
/// The default.
const THRESHOLD: u64 = 5;
const TIMEOUT: Duration = Duration::from_millis(100);

fn url(node: &Server) -> String {
    format!("redis+cluster://127.0.0.1:{}", node.port())
}

/// One key for each of the three primaries, in their order.
fn key_of_each(cluster: &Cluster) -> [String; 3] {
    let mut keys: HashMap<usize, String> = HashMap::new();
    for number in 0.. {
        if keys.len() == 3 {
            break;
        }
        let key = format!("k{number}");
        keys.entry(cluster.primary_of(&key)).or_insert(key);
    }
    [0, 1, 2].map(|place| keys[&place].clone())
}

async fn source(limiter: &RateLimiter, key: &str) -> Source {
    limiter.check(key, &rules(&[(1_000_000, 60_000)])).await.unwrap().source()
}

fn shard(health: &Health, port: u16) -> &ShardHealth {
    let address = format!("127.0.0.1:{port}");
    health.shards.iter().find(|shard| shard.address == address).unwrap()
}

/// Waits until each shard answers checks.
async fn until_whole(limiter: &RateLimiter, keys: &[String]) {
    for key in keys {
        until("the shard answers", async || source(limiter, key).await == Source::Module).await;
    }
}

/// While `lost` is away: checks of the others stay at the server, and those of the lost one fail over after at most five
/// timeouts.
async fn only_one_shard_is_lost(limiter: &RateLimiter, keys: &[String; 3], lost: usize, port: u16) {
    for round in 0..200 {
        for (place, key) in keys.iter().enumerate() {
            let expected = if place == lost { Source::Local } else { Source::Module };
            assert_eq!(source(limiter, key).await, expected, "shard {place}, round {round}");
        }
    }
    let health = limiter.health();
    let [away, present]: [Vec<_>; 2] = [true, false].map(|is_lost| {
        let shards = health.shards.iter();
        shards.filter(|one| (one.address == format!("127.0.0.1:{port}")) == is_lost).collect()
    });
    assert_eq!((away.len(), present.len()), (1, 2));
    assert!(away[0].opened == 1 && away[0].unanswered < THRESHOLD, "{health:?}");
    assert!(away[0].state != BreakerState::Closed && away[0].last_error.is_some(), "{health:?}");
    assert_eq!((health.state != BreakerState::Closed, health.opened), (true, 1));
    for one in present {
        assert_eq!((one.state, one.opened, one.unanswered), (BreakerState::Closed, 0, 0));
    }
}

/// A limiter whose healthy shards have time to answer on a busy machine. Few checks wait for the lost one.
fn patient(url: &str) -> Builder {
    fast_probes(url).timeout(ratelog_test_support::scaled_timeout(10 * TIMEOUT))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_shard_is_answered_locally_and_the_others_by_the_server() {
    let mut cluster = Cluster::with(3, 0, &PARTIAL);
    let keys = key_of_each(&cluster);
    // Any node of the URL may be the one that is lost.
    let limiter = patient(&url(&cluster[0])).build().await.unwrap();
    for lost in 0..3 {
        until_whole(&limiter, &keys).await;
        let opened = limiter.health().opened;
        assert_eq!(limiter.health().shards.len(), 3);
        let port = cluster[lost].port();
        cluster[lost].stop(Stop::Kill);
        until("the loss is noticed", async || source(&limiter, &keys[lost]).await == Source::Local)
            .await;
        if lost == 0 {
            assert_eq!(opened, 0);
            only_one_shard_is_lost(&limiter, &keys, lost, port).await;
        }
        cluster[lost].start_again();
        until_whole(&limiter, &keys).await;
        let health = limiter.health();
        assert_eq!((health.state, shard(&health, port).opened), (BreakerState::Closed, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_shard_costs_at_most_five_timeouts() {
    let cluster = Cluster::with(3, 0, &PARTIAL);
    let keys = key_of_each(&cluster);
    let limiter = patient(&url(&cluster[1])).build().await.unwrap();
    until_whole(&limiter, &keys).await;
    cluster[1].pause();
    only_one_shard_is_lost(&limiter, &keys, 1, cluster[1].port()).await;
    cluster[1].resume();
    until_whole(&limiter, &keys).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_of_a_stopped_shard_do_not_disturb_the_others() {
    let cluster = Cluster::with(3, 0, &PARTIAL);
    let keys = key_of_each(&cluster);
    let limiter = patient(&url(&cluster[0])).build().await.unwrap();
    until_whole(&limiter, &keys).await;
    let load = Load::start(&limiter, 12);
    cluster[2].pause();
    until("the loss is noticed", async || source(&limiter, &keys[2]).await == Source::Local).await;
    Load::continues(&load.by_module).await;
    Load::continues(&load.by_fallback).await;
    let health = limiter.health();
    for place in [0, 1] {
        let one = shard(&health, cluster[place].port());
        assert_eq!((one.state, one.opened, one.unanswered), (BreakerState::Closed, 0, 0));
    }
    cluster[2].resume();
    until_whole(&limiter, &keys).await;
    load.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_hides_one_shard() {
    let cluster = Cluster::with(3, 0, &PARTIAL);
    let keys = key_of_each(&cluster);
    let mut proxies = Vec::new();
    for node in cluster.each_node() {
        let proxy = Proxy::start(node.port()).await;
        let port = proxy.port();
        node.connect().run::<()>(&format!("CONFIG SET cluster-announce-port {port}"));
        proxies.push(proxy);
    }
    let names_all = |node: &Server| {
        let slots = format!("{:?}", node.connect().run::<redis::Value>("CLUSTER SLOTS"));
        proxies.iter().all(|proxy| slots.contains(&format!("int({})", proxy.port())))
    };
    until("all nodes name the proxies", async || cluster.each_node().all(names_all)).await;
    let seed = format!("redis+cluster://127.0.0.1:{}", proxies[0].port());
    let limiter = patient(&seed).build().await.unwrap();
    until_whole(&limiter, &keys).await;
    proxies[0].cut();
    only_one_shard_is_lost(&limiter, &keys, 0, proxies[0].port()).await;
    proxies[0].mend();
    until_whole(&limiter, &keys).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_takes_over_for_a_stopped_primary() {
    let cluster = Cluster::impatient(3, 1, &PARTIAL);
    let keys = key_of_each(&cluster);
    let limiter = patient(&url(&cluster[0])).build().await.unwrap();
    until_whole(&limiter, &keys).await;
    let old = cluster[0].port();
    cluster[0].pause();
    let new = cluster.primary_after(0, &keys[0]);
    until_whole(&limiter, &keys).await;
    let health = limiter.health();
    let ports: Vec<_> = health.shards.iter().map(|shard| shard.address.clone()).collect();
    assert!(ports.contains(&format!("127.0.0.1:{}", cluster[new].port())), "{health:?}");
    assert!(!ports.contains(&format!("127.0.0.1:{old}")), "{health:?}");
    assert!(cluster[new].connect().units(&keys[0]) > 0);
    // The old primary follows the new one, and is no shard.
    cluster[0].resume();
    until("it is a replica", async || cluster[0].connect().read_replica()).await;
    until_whole(&limiter, &keys).await;
}

#[tokio::test]
async fn the_log_has_the_end_of_the_outage_of_a_replaced_primary() {
    let (log, _guard) = Log::capture();
    let cluster = Cluster::impatient(3, 1, &PARTIAL);
    let keys = key_of_each(&cluster);
    let limiter = patient(&url(&cluster[0])).build().await.unwrap();
    until_whole(&limiter, &keys).await;
    cluster[0].pause();
    cluster.primary_after(0, &keys[0]);
    until_whole(&limiter, &keys).await;
    let outages = || {
        let events = log.take_events();
        events.into_iter().filter(|event| event.starts_with("server_")).collect::<Vec<_>>()
    };
    assert_eq!(outages(), ["server_unavailable", "server_recovered"]);
    // The old primary is no shard any more.
    cluster[0].resume();
    until("it is a replica", async || cluster[0].connect().read_replica()).await;
    until_whole(&limiter, &keys).await;
    assert_eq!(outages(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planned_failover_loses_no_check() {
    let cluster = Cluster::impatient(3, 1, &PARTIAL);
    let keys = key_of_each(&cluster);
    let limiter = fast_probes(&url(&cluster[0])).build().await.unwrap();
    until_whole(&limiter, &keys).await;
    let load = Load::start(&limiter, 6);
    let replica = cluster.replica_of(&keys[0]);
    tokio::task::block_in_place(|| cluster.promote(replica));
    Load::continues(&load.by_module).await;
    until_whole(&limiter, &keys).await;
    load.stop().await;
    assert_eq!(limiter.health().unanswered, 0);
    assert!(cluster[replica].connect().units(&keys[0]) > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_moves_under_load_stays_at_the_server() {
    let cluster = Cluster::start(3, 0);
    let keys = key_of_each(&cluster);
    let limiter = fast_probes(&url(&cluster[2])).build().await.unwrap();
    until_whole(&limiter, &keys).await;
    let tag = &keys[0];
    let names: Vec<_> = (0..20).map(|number| format!("{{{tag}}}{number}")).collect();
    let mut callers = Vec::new();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    for name in names.clone() {
        let (limiter, stopped) = (limiter.clone(), stopped.clone());
        callers.push(tokio::spawn(async move {
            let (rules, mut allowed) = (rules(&[(1_000_000, 600_000)]), 0_i64);
            while !*stopped.borrow() {
                let decision = limiter.check(&name, &rules).await.unwrap();
                assert_eq!(decision.source(), Source::Module, "{name}");
                allowed += 1;
                tokio::task::yield_now().await;
            }
            allowed
        }));
    }
    let mut home = 0;
    for to in [1, 2, 0] {
        // Each key exists, so each one migrates.
        until("all keys exist", async || {
            let mut db = cluster[home].connect();
            names
                .iter()
                .all(|name| db.attempt::<i64>(["EXISTS", name]).is_ok_and(|count| count == 1))
        })
        .await;
        tokio::task::block_in_place(|| cluster.migrate(tag, to, |_, _, _| {}));
        home = to;
    }
    stop.send_replace(true);
    let mut allowed = Vec::new();
    for caller in callers {
        allowed.push(caller.await.unwrap());
    }
    let mut db = cluster[home].connect();
    let units: Vec<_> = names.iter().map(|name| db.units(name)).collect();
    assert_eq!(units, allowed);
    let health = limiter.health();
    assert_eq!((health.state, health.opened, health.unanswered), (BreakerState::Closed, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_shard_is_found_by_a_redirect_and_an_empty_one_is_forgotten() {
    let cluster = Cluster::start(3, 0);
    let keys = key_of_each(&cluster);
    // All slots belong to the first two nodes at first.
    let slots = |first, last, to: usize| {
        let id = Cluster::id_of(&cluster[to]);
        for slot in first..=last {
            for node in cluster.each_node() {
                node.connect().run::<()>(&format!("CLUSTER SETSLOT {slot} NODE {id}"));
            }
        }
    };
    let slot = cluster.slot_of(&keys[2]);
    slots(slot, slot, 1);
    let limiter = fast_probes(&url(&cluster[0])).build().await.unwrap();
    until_whole(&limiter, &keys).await;
    assert!(cluster[1].connect().units(&keys[2]) > 0);
    cluster[1].connect().run::<()>(["RL.RESET", &keys[2]]);
    slots(slot, slot, 0);
    assert_eq!(source(&limiter, &keys[2]).await, Source::Module);
    assert_eq!(cluster[0].connect().units(&keys[2]), 1);
    assert_eq!(limiter.health().opened, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_a_node_without_a_name_makes_no_shard() {
    // The nodes have no host names, so that they name each other `?`.
    let cluster = Cluster::with(3, 0, &["cluster-preferred-endpoint-type hostname"]);
    let keys = key_of_each(&cluster);
    let limiter = fast_probes(&url(&cluster[0])).build().await.unwrap();
    until_whole(&limiter, &keys).await;
    cluster[2].connect().run::<()>(["RL.RESET", &keys[2]]);
    let (slot, id) = (cluster.slot_of(&keys[2]), Cluster::id_of(&cluster[1]));
    for node in [&cluster[1], &cluster[0], &cluster[2]] {
        node.connect().run::<()>(&format!("CLUSTER SETSLOT {slot} NODE {id}"));
    }
    until("the new owner answers", async || source(&limiter, &keys[2]).await == Source::Module)
        .await;
    assert!(cluster[1].connect().units(&keys[2]) > 0);
    let health = limiter.health();
    assert_eq!((health.shards.len(), health.opened), (3, 0), "{health:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_starts_after_the_limiter_is_found() {
    let mut server = Server::with(&["cluster-enabled yes"]);
    let url = url(&server);
    server.stop(Stop::Kill);
    let limiter = fast_probes(&url).build().await.unwrap();
    let health = limiter.health();
    assert!(health.state != BreakerState::Closed && health.shards.is_empty(), "{health:?}");
    assert!(health.last_error.is_some());
    assert_eq!(source(&limiter, "k").await, Source::Local);
    server.start_again();
    until("a node without slots answers", async || {
        limiter.health().last_error.unwrap().contains("hash slots")
    })
    .await;
    assert_eq!(source(&limiter, "k").await, Source::Local);
    server.connect().run::<()>("CLUSTER ADDSLOTSRANGE 0 16383");
    until_whole(&limiter, &["k".to_owned()]).await;
    assert_eq!(limiter.health().shards.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_a_shard_is_answered_locally_until_it_has_one() {
    let cluster = Cluster::with(3, 0, &PARTIAL);
    let keys = key_of_each(&cluster);
    let slot = cluster.slot_of(&keys[1]);
    for node in cluster.each_node() {
        node.connect().run::<()>(&format!("CLUSTER DELSLOTS {slot}"));
    }
    let limiter = fast_probes(&url(&cluster[0])).build().await.unwrap();
    assert_eq!(source(&limiter, &keys[1]).await, Source::Local);
    assert_eq!(source(&limiter, &keys[0]).await, Source::Module);
    let health = limiter.health();
    assert_eq!((health.state, health.unanswered), (BreakerState::Closed, 1));
    // A node that does not know this yet sends the check to the former owner, which does.
    assert!(health.last_error.unwrap().to_lowercase().contains("hash slot"));
    // No fallback decides these.
    let strict = fast_probes(&url(&cluster[0])).fallback(Fallback::Error).build().await.unwrap();
    let error = strict.check(&keys[1], &rules(&[(9, 60_000)])).await.unwrap_err();
    assert!(error.is_unavailable() && strict.health().unanswered == 0, "{error}");
    cluster[1].connect().run::<()>(&format!("CLUSTER ADDSLOTS {slot}"));
    until_whole(&limiter, &keys).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cached_denial_is_dropped_when_its_shard_reports_a_change() {
    let cluster = Cluster::start(3, 0);
    let keys = key_of_each(&cluster);
    let limiter = fast_probes(&url(&cluster[0])).deny_cache(100).build().await.unwrap();
    assert!(limiter.health().tracking, "{:?}", limiter.health());
    let one = rules(&[(1, 600_000)]);
    for (place, key) in keys.iter().enumerate() {
        until("the denial is cached", async || {
            limiter.check(key, &one).await.unwrap().source() == Source::DenyCache
        })
        .await;
        cluster[place].connect().run::<()>(["RL.OVERRIDE", "SET", key, "ALLOW"]);
        until("the change is known", async || limiter.check(key, &one).await.unwrap().allowed())
            .await;
        assert_eq!(limiter.get_override(key).await.unwrap(), Some(Override::ALLOW));
    }
}
