//! The nodes of every kind of deployment, and what happens to pages when nodes fail.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ratelog_client::redis;
use ratelog_test_support::{Cluster, Module, Sentinels, Server, Stop};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::support::{Dashboard, address, cluster_with_replicas, until, url};

async fn until_state(dashboard: &Dashboard, address: &str, state: &str) {
    until(&format!("{address} is {state}"), async || {
        dashboard.state_of(address).await.as_deref() == Some(state)
    })
    .await;
}

fn cluster_url(cluster: &Cluster) -> String {
    format!("redis+cluster://{},{}", address(&cluster[0]), address(&cluster[1]))
}

async fn problems(dashboard: &Dashboard) -> String {
    dashboard.json("/overview").await["problems"].to_string()
}

#[tokio::test]
async fn one_server_is_shown_with_its_checks() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET gold 2 1h");
    let dashboard = Dashboard::start(&url(&server)).await;
    dashboard
        .until_nodes("the node's INFO is read", |nodes| {
            nodes.iter().any(|node| node["server"].is_string())
        })
        .await;
    let nodes = dashboard.json("/nodes").await;
    let [node] = &nodes.as_array().unwrap()[..] else { panic!("{nodes}") };
    assert_eq!((&node["role"], &node["state"]), (&"primary".into(), &"up".into()));
    assert!(node["used_memory"].as_u64().unwrap() > 100_000);
    assert_eq!((&node["overrides"], &node["error"]), (&0.into(), &Value::Null));
    for _ in 0..5 {
        db.run::<redis::Value>("RL.CHECK k POLICY gold");
    }
    until("the checks are counted", async || {
        let overview = dashboard.json("/overview").await;
        let gold = overview["policies"][0].clone();
        gold["checks"] == 5 && gold["denied_by_rule"][0] == 3 && overview["rates"]["denied"] != 0.0
    })
    .await;
    let history = dashboard.json("/overview/history").await;
    let sum = |history: &Value, name: &str| -> f64 {
        history[name].as_array().unwrap().iter().filter_map(Value::as_f64).sum()
    };
    assert!((sum(&history, "denied") - 3.0).abs() < 0.01, "{history}");
    assert_eq!(
        history["times"].as_array().unwrap().len(),
        history["denied"].as_array().unwrap().len()
    );
    let of_policy = dashboard.json("/overview/history?range=24h&policy=gold").await;
    assert!((sum(&of_policy, "allowed") - 2.0).abs() < 0.01, "{of_policy}");
    let page = dashboard.get("/overview").await.page();
    page.assert_has("2/hour: 3");
    page.assert_has(&address(&server));
    assert_eq!(problems(&dashboard).await, "[]");
}

#[tokio::test]
async fn a_replica_is_shown_and_its_loss_is_a_problem() {
    let mut primary = Server::start();
    let replica = primary.start_replica(&[]);
    let dashboard = Dashboard::start(&url(&primary)).await;
    dashboard.until_up(2).await;
    let (primary_address, replica_address) = (address(&primary), address(&replica));
    dashboard
        .until_nodes("the roles are known", |nodes| {
            nodes.iter().any(|node| {
                node["address"] == *replica_address
                    && node["replica_of"] == *primary_address
                    && node["replication_lag_seconds"].is_u64()
            })
        })
        .await;
    dashboard.get("/nodes").await.page().assert_has(&format!("replica of {primary_address}"));
    primary.stop(Stop::Kill);
    until_state(&dashboard, &primary_address, "down").await;
    until("the replica's problem is seen", async || {
        let problems = problems(&dashboard).await;
        problems.contains(&format!("{primary_address} does not answer"))
            && problems.contains(&format!("the replica {replica_address} is not connected"))
    })
    .await;
    dashboard
        .until_nodes("the lag grows without a link", |nodes| {
            nodes.iter().any(|node| {
                node["address"] == *replica_address
                    && node["replication_lag_seconds"].as_u64() > Some(1)
            })
        })
        .await;
    assert_eq!(dashboard.state_of(&replica_address).await.as_deref(), Some("up"));
    dashboard.get("/overview").await.page().assert_has("down for");
    primary.start_again();
    dashboard.until_up(2).await;
}

#[tokio::test]
async fn a_node_of_a_cluster_is_killed_or_stopped_and_the_others_go_on() {
    let mut cluster = cluster_with_replicas(&[]);
    let dashboard = Dashboard::start(&cluster_url(&cluster)).await;
    dashboard.until_up(6).await;
    let nodes = dashboard.json("/nodes").await;
    let primaries = nodes.as_array().unwrap().iter().filter(|node| node["role"] == "primary");
    assert_eq!(primaries.count(), 3);
    let stopped = address(&cluster[1]);
    cluster[1].pause();
    until_state(&dashboard, &stopped, "down").await;
    // The others are polled on: a new override is counted.
    let key = (0..1_000).map(|n| format!("k{n}")).find(|key| {
        cluster[0].connect().attempt::<()>(&format!("RL.OVERRIDE SET {key} DENY")).is_ok()
    });
    let first = address(&cluster[0]);
    dashboard
        .until_nodes("the override is counted", |nodes| {
            nodes.iter().any(|node| node["address"] == *first && node["overrides"] == 1)
        })
        .await;
    dashboard.until_up(5).await;
    // Lists say what they do not show.
    let overrides = dashboard.json("/overrides").await;
    assert_eq!(overrides["overrides"][0]["key"], *key.unwrap());
    assert!(overrides["incomplete"][0].as_str().unwrap().starts_with(&stopped), "{overrides}");
    let found = dashboard.json("/keys?match=k").await;
    assert!(found["incomplete"][0].as_str().unwrap().starts_with(&stopped), "{found}");
    cluster[1].resume();
    dashboard.until_up(6).await;
    let killed = address(&cluster[2]);
    cluster[2].stop(Stop::Kill);
    until_state(&dashboard, &killed, "down").await;
    cluster[2].start_again();
    dashboard.until_up(6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_resharded_while_it_is_polled() {
    let cluster = Cluster::start(2, 0);
    let dashboard = Dashboard::start(&cluster_url(&cluster)).await;
    dashboard.until_up(2).await;
    let key = "user:42";
    let owner = cluster.primary_of(key);
    cluster[owner].connect().run::<redis::Value>(&format!("RL.CHECK {key} 5 1h"));
    let handle = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        cluster.migrate(key, 1 - owner, |_, _, _| {
            let found = handle.block_on(dashboard.json(&format!("/keys/{key}")));
            assert_eq!(found["units"], 1);
        });
    });
    assert_eq!(dashboard.json(&format!("/keys/{key}")).await["units"], 1);
    let page = dashboard.submit(&format!("/keys/{key}/reset"), &[]).await;
    page.assert_has("1 unit is forgotten.");
    let found = dashboard.json("/keys?match=user:").await;
    assert_eq!(found["incomplete"], serde_json::json!([]));
    dashboard.until_up(2).await;
}

#[tokio::test]
async fn the_primary_that_sentinels_promote_gets_the_changes() {
    let mut primary = Server::start();
    let replica = primary.start_replica(&[]);
    let sentinels = Sentinels::watch(&primary, 1);
    let hosts: Vec<_> = sentinels.ports().iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let url = format!("redis+sentinel://{}/{}", hosts.join(","), Sentinels::NAME);
    // The operator's connections know nothing of the polls.
    let dashboard = Dashboard::with(&url, &["--operator-url", &url]).await;
    dashboard.until_up(2).await;
    let form = [("action", "deny"), ("rules", ""), ("ttl", "600")];
    dashboard.submit("/keys/k/override", &form).await.assert_has("The override is set");
    until("the replica has the override", async || replica.connect().run::<u64>("EXISTS k") == 1)
        .await;
    let (old, new) = (address(&primary), address(&replica));
    primary.stop(Stop::Kill);
    until_state(&dashboard, &old, "down").await;
    sentinels.primary_after(&primary);
    dashboard
        .until_nodes("the new primary is known", |nodes| {
            nodes.iter().any(|node| node["address"] == *new && node["role"] == "primary")
        })
        .await;
    // A reader finds the new primary too.
    assert_eq!(dashboard.json("/audit").await["error"], Value::Null);
    let page = dashboard.submit("/keys/k/override/delete", &[]).await;
    page.assert_has("The override is removed.");
    let audit = dashboard.json("/audit").await;
    assert_eq!(audit["error"], Value::Null);
    assert_eq!(audit["entries"].as_array().unwrap().len(), 2, "{audit}");
}

#[tokio::test]
async fn a_server_without_the_module_is_named() {
    let server = Server::configured(Module::Absent, &[]);
    let dashboard = Dashboard::start(&url(&server)).await;
    until_state(&dashboard, &address(&server), "no_module").await;
    let text = "does not have the Ratelog module: load libratelog.so in its configuration";
    assert!(problems(&dashboard).await.contains(text));
    for path in ["/overview", "/nodes", "/keys"] {
        dashboard.get(path).await.page().assert_has(text);
    }
    for path in ["/keys/k", "/policies"] {
        let reply = dashboard.get(path).await;
        assert_eq!(reply.status, 409, "{path}");
        reply.page().assert_has("does not have the Ratelog module");
    }
    let page = dashboard.post("/keys/k/reset", &[]).await;
    assert_eq!(page.status, 303);
    dashboard.get("/audit").await.page().assert_has("failed");
    let metrics = dashboard.get("/metrics").await.text;
    assert!(
        metrics.contains(&format!("ratelog_up{{node=\"{}\"}} 0", address(&server))),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_server_may_start_after_the_dashboard() {
    let mut server = Server::start();
    server.stop(Stop::NoSave);
    let dashboard = Dashboard::start(&url(&server)).await;
    for path in ["/overview", "/nodes", "/keys"] {
        until("the page says what is wrong", async || {
            let page = dashboard.get(path).await.page();
            page.text.contains("The servers cannot be found: ")
                && page.text.contains(&address(&server))
        })
        .await;
    }
    let reply = dashboard.get("/keys/k").await;
    assert_eq!(reply.status, 503);
    reply.page().assert_has("cannot connect to");
    server.start_again();
    dashboard.until_up(1).await;
    dashboard.get("/keys/k").await.page().assert_has("The key does not exist");
    assert_eq!(problems(&dashboard).await, "[]");
}

#[tokio::test]
async fn errors_and_evictions_are_problems() {
    let server = Server::start();
    let mut db = server.connect();
    let dashboard = Dashboard::start(&url(&server)).await;
    dashboard
        .until_nodes("the node's INFO is read", |nodes| {
            nodes.iter().any(|node| node["server"].is_string())
        })
        .await;
    db.error("RL.CHECK k POLICY nothing");
    until("the error is a problem", async || {
        problems(&dashboard).await.contains("has replied NOPOLICY 1 times")
    })
    .await;
    db.run::<()>("CONFIG SET maxmemory-policy allkeys-random");
    db.run::<()>("SET k 1");
    db.run::<()>("CONFIG SET maxmemory 1");
    db.attempt::<redis::Value>("SET l 1").ok();
    until("the eviction is a problem", async || {
        problems(&dashboard).await.contains("keys in the last minutes: their limits start anew")
    })
    .await;
}

#[tokio::test]
async fn overrides_without_an_end_are_a_problem() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("RL.OVERRIDE SET ends DENY EX 1000");
    let dashboard = Dashboard::start(&url(&server)).await;
    until("the overrides are counted", async || {
        let metrics = dashboard.get("/metrics").await.text;
        let mut lines = metrics.lines();
        lines.any(|line| {
            line.starts_with("ratelog_overrides_without_end{") && line.ends_with(" 0.0")
        })
    })
    .await;
    assert!(!problems(&dashboard).await.contains("without an end"));
    for key in ["one", "two"] {
        db.run::<()>(&format!("RL.OVERRIDE SET {key} ALLOW"));
    }
    // The next count is made a minute after the last one, by a dashboard that has one.
    let dashboard = Dashboard::start(&url(&server)).await;
    until("the overrides are a problem", async || {
        problems(&dashboard).await.contains("has overrides without an end: 2")
    })
    .await;
}

#[tokio::test]
async fn the_traffic_of_a_demonstration_stops_and_starts() {
    let server = Server::start();
    let dashboard = Dashboard::with(&url(&server), &["--demo"]).await;
    let checks = || {
        let stats: HashMap<String, redis::Value> = server.connect().run("RL.STATS");
        redis::from_redis_value::<u64>(stats["checks"].clone()).unwrap()
    };
    until("there is traffic", async || checks() > 0).await;
    let page = dashboard.submit("/demo", &[("run", "false")]).await;
    page.assert_has("The demo traffic has stopped.");
    page.assert_has("Start demo traffic");
    until("nothing is checked for ten rounds", async || {
        let before = checks();
        tokio::time::sleep(Duration::from_millis(500)).await;
        checks() == before
    })
    .await;
    let before = checks();
    dashboard.submit("/demo", &[("run", "true")]).await.assert_has("The demo traffic runs.");
    until("there is traffic again", async || checks() > before).await;
}

/// A network that loses a connection does so without a word.
#[tokio::test]
async fn a_connection_on_which_nothing_arrives_is_given_up() {
    let server = Server::start();
    let proxy = Proxy::start(server.port()).await;
    let dashboard = Dashboard::start(&format!("redis://127.0.0.1:{}/", proxy.port)).await;
    dashboard.until_up(1).await;
    let connections = proxy.connections.load(Ordering::Relaxed);
    proxy.cut.send_modify(|cuts| *cuts += 1);
    until("another connection is opened", async || {
        proxy.connections.load(Ordering::Relaxed) > connections
    })
    .await;
    dashboard.until_up(1).await;
    dashboard.submit("/keys/k/reset", &[]).await.assert_has("0 units are forgotten.");
}

/// Passes bytes on to a server.
struct Proxy {
    port: u16,
    connections: Arc<AtomicUsize>,
    /// The number of times that all connections so far were cut, which stay open.
    cut: watch::Sender<usize>,
}

impl Proxy {
    async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (cut, cuts) = watch::channel(0);
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                let mut cuts = cuts.clone();
                cuts.mark_unchanged();
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                        _ = cuts.changed() => std::future::pending().await,
                    }
                });
            }
        });
        Self { port, connections, cut }
    }
}
