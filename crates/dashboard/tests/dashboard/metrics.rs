//! Metrics as Prometheus reads them.

use std::collections::{BTreeMap, BTreeSet};

use ratelog_client::redis;
use ratelog_test_support::Server;
use reqwest::Method;

use crate::support::{Dashboard, Reply, User, address, until, url};

/// The list of metrics in contrib: a line for each, with its name, type, labels and help.
const LISTED: &str = include_str!("../../../../contrib/metrics.txt");

type Labels = BTreeMap<String, String>;

/// The exported metrics: types by name, and samples.
struct Metrics {
    types: BTreeMap<String, String>,
    helps: BTreeMap<String, String>,
    samples: Vec<(String, Labels, f64)>,
}

impl Metrics {
    fn parse(text: &str) -> Self {
        let (mut types, mut helps, mut samples) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        assert!(text.ends_with("# EOF\n"), "{text}");
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                let name =
                    if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
                assert!(types.insert(name, kind.to_owned()).is_none(), "{line} twice");
            } else if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap();
                helps.insert(name.to_owned(), help.to_owned());
            } else if !line.starts_with('#') {
                let (series, value) = line.rsplit_once(' ').unwrap();
                let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
                let labels = labels.strip_suffix('}').unwrap();
                let labels = labels.split_terminator("\",").map(|label| {
                    let (key, value) = label.split_once("=\"").unwrap();
                    (key.to_owned(), value.trim_end_matches('"').to_owned())
                });
                samples.push((name.to_owned(), labels.collect(), value.parse().unwrap()));
            }
        }
        let mut series = BTreeSet::new();
        for (name, labels, _) in &samples {
            assert!(series.insert((name, labels)), "{name} {labels:?} twice");
        }
        Self { types, helps, samples }
    }

    fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let mut samples = self.samples.iter();
        let found = samples.find(|(found, all, _)| {
            found == name
                && labels.iter().all(|(key, value)| all.get(*key).is_some_and(|v| v == value))
        });
        found.map(|(_, _, value)| *value)
    }
}

async fn metrics(dashboard: &Dashboard) -> Metrics {
    let reply = dashboard.get("/metrics").await;
    assert_eq!(reply.status, 200);
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(reply.header("content-type"), content_type);
    Metrics::parse(&reply.text)
}

#[tokio::test]
async fn every_listed_metric_is_exported_with_its_labels() {
    let primary = Server::start();
    let replica = primary.start_replica(&[]);
    let mut db = primary.connect();
    db.run::<()>("RL.POLICY SET gold 1 1m");
    db.run::<()>("RL.POLICY SET trial SHADOW 1 1h 5 1500ms");
    db.run::<()>("RL.OVERRIDE SET someone DENY");
    let dashboard = Dashboard::start(&url(&primary)).await;
    dashboard.until_up(2).await;
    for command in [
        "k POLICY gold",
        "k POLICY gold",
        "m POLICY trial",
        "m POLICY trial",
        "l 10 1h",
        "someone 10 1h",
    ] {
        db.run::<redis::Value>(&format!("RL.CHECK {command}"));
    }
    db.error("RL.CHECK k POLICY nothing");
    let node = address(&primary);
    let node = ("node", &*node);
    until("the counts are exported", async || {
        let metrics = metrics(&dashboard).await;
        metrics.value("ratelog_nopolicy_errors_total", &[node]) == Some(1.0)
            && metrics.value("ratelog_checks_total", &[node, ("policy", ""), ("result", "denied")])
                == Some(1.0)
            && metrics.value("ratelog_replication_lag_seconds", &[]).is_some()
    })
    .await;
    let found = metrics(&dashboard).await;
    let mut listed = BTreeSet::new();
    for line in LISTED.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<_> = line.splitn(4, ' ').collect();
        let [name, kind, labels, help] = fields[..] else { panic!("{line}") };
        listed.insert(name.to_owned());
        assert_eq!(found.types.get(name).map(|kind| &**kind), Some(kind), "{name}");
        let family = name.strip_suffix("_total").unwrap_or(name);
        assert_eq!(found.helps.get(family).map(|help| &**help), Some(help), "{name}");
        let expected: BTreeSet<_> = labels.split(',').filter(|label| *label != "-").collect();
        let samples: Vec<_> = found.samples.iter().filter(|(found, ..)| found == name).collect();
        assert!(!samples.is_empty(), "{name}");
        for (_, labels, _) in samples {
            assert_eq!(
                labels.keys().map(|label| &**label).collect::<BTreeSet<_>>(),
                expected,
                "{name}"
            );
        }
    }
    let exported: BTreeSet<_> = found.types.keys().cloned().collect();
    assert!(exported.is_subset(&listed), "{exported:?}");
    for (name, labels, value) in [
        ("ratelog_up", &[node][..], 1.0),
        ("ratelog_checks_total", &[node, ("policy", "gold"), ("result", "allowed")], 1.0),
        ("ratelog_checks_total", &[node, ("policy", "gold"), ("result", "denied")], 1.0),
        ("ratelog_checks_total", &[node, ("policy", "trial"), ("result", "shadow_denied")], 1.0),
        ("ratelog_checks_total", &[node, ("policy", "trial"), ("result", "allowed")], 1.0),
        ("ratelog_checks_total", &[node, ("policy", ""), ("result", "allowed")], 1.0),
        ("ratelog_denied_by_rule_total", &[node, ("policy", "gold"), ("rule", "1/60s")], 1.0),
        ("ratelog_denied_by_rule_total", &[node, ("policy", "trial"), ("rule", "1/3600s")], 1.0),
        ("ratelog_denied_by_rule_total", &[node, ("policy", "trial"), ("rule", "5/1.5s")], 0.0),
        ("ratelog_overridden_total", &[node], 1.0),
        ("ratelog_overrides", &[node], 1.0),
        ("ratelog_policy_limit", &[("policy", "gold"), ("window", "60")], 1.0),
        ("ratelog_policy_limit", &[("policy", "trial"), ("window", "1.5")], 5.0),
        ("ratelog_node_role_info", &[node, ("role", "primary")], 1.0),
        ("ratelog_node_role_info", &[("node", &address(&replica)), ("role", "replica")], 1.0),
    ] {
        assert_eq!(found.value(name, labels), Some(value), "{name} {labels:?}");
    }
    let text = dashboard.get("/metrics").await.text;
    assert!(!text.contains("someone"), "a key is a label: {text}");
}

#[tokio::test]
async fn a_node_that_is_down_is_exported_as_such() {
    let server = Server::start();
    let dashboard = Dashboard::start(&url(&server)).await;
    dashboard.until_up(1).await;
    until("the memory is known", async || {
        metrics(&dashboard).await.value("ratelog_memory_used_bytes", &[]).is_some()
    })
    .await;
    server.pause();
    until("the node is down", async || {
        metrics(&dashboard).await.value("ratelog_up", &[("node", &address(&server))]) == Some(0.0)
    })
    .await;
    let found = metrics(&dashboard).await;
    assert_eq!(found.value("ratelog_evicted_keys_total", &[]), Some(0.0));
    let health = Reply::of(dashboard.request(User::Nobody, Method::GET, "/healthz")).await;
    assert_eq!((health.status, &*health.text), (200, "ok: 0 of 1 nodes answer\n"));
}

#[tokio::test]
async fn metrics_have_a_token_and_a_listener_of_their_own() {
    let arguments = ["--metrics-token", "the-token-of-metrics", "--metrics-listen", "127.0.0.1:0"];
    let dashboard = Dashboard::with("redis://127.0.0.1:1", &arguments).await;
    let with = async |token: &str, path: &str| {
        let request = dashboard.request(User::Nobody, Method::GET, path).bearer_auth(token);
        Reply::of(request).await.status
    };
    assert_eq!(with("the-token-of-metrics", "/metrics").await, 200);
    assert_eq!(with("the-token-of-metrics", "/api/v1/nodes").await, 401);
    assert_eq!(with("the-token-of-metrix", "/metrics").await, 401);
    let anonymous = dashboard.request(User::Nobody, Method::GET, "/metrics");
    assert_eq!(Reply::of(anonymous).await.status, 401);
    let viewer = dashboard.request(User::Viewer, Method::GET, "/metrics");
    assert_eq!(Reply::of(viewer).await.status, 200);
    let listener = dashboard.running.metrics_address.unwrap();
    for (path, status) in [
        ("/metrics", 200),
        ("/healthz", 200),
        ("/overview", 404),
        ("/api/v1/nodes", 404),
        ("/login", 404),
    ] {
        let request = dashboard.http.get(format!("http://{listener}{path}"));
        assert_eq!(Reply::of(request).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn a_deleted_policy_adds_nothing_to_checks_without_a_policy() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET gold 2 1h");
    let dashboard = Dashboard::start(&url(&server)).await;
    dashboard.until_up(1).await;
    let node = address(&server);
    let count = async |policy: &str, result: &str| {
        let labels = [("node", &*node), ("policy", policy), ("result", result)];
        metrics(&dashboard).await.value("ratelog_checks_total", &labels)
    };
    for _ in 0..5 {
        db.run::<redis::Value>("RL.CHECK k POLICY gold");
    }
    db.run::<redis::Value>("RL.CHECK plain 10 1h");
    until("the checks are counted", async || {
        count("gold", "denied").await == Some(3.0) && count("", "allowed").await == Some(1.0)
    })
    .await;
    db.run::<()>("RL.POLICY DEL gold");
    until("the policy is gone", async || count("gold", "denied").await.is_none()).await;
    assert_eq!(count("", "denied").await, Some(0.0));
    assert_eq!(count("", "allowed").await, Some(1.0));
    // The server counts a new policy of the same name from 0.
    db.run::<()>("RL.POLICY SET gold 2 1h");
    for _ in 0..4 {
        db.run::<redis::Value>("RL.CHECK other POLICY gold");
    }
    db.run::<redis::Value>("RL.CHECK plain 10 1h");
    until("the checks are counted again", async || {
        count("gold", "denied").await == Some(2.0) && count("", "allowed").await == Some(2.0)
    })
    .await;
    assert_eq!(count("", "denied").await, Some(0.0));
}

#[tokio::test]
async fn rules_with_the_same_labels_are_one_series() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET steps 3 1m 2 1m 2 1m 4 1h");
    let dashboard = Dashboard::start(&url(&server)).await;
    dashboard.until_up(1).await;
    for _ in 0..5 {
        db.run::<redis::Value>("RL.CHECK k POLICY steps");
    }
    let node = address(&server);
    let denied = async |rule: &str| {
        let labels = [("node", &*node), ("policy", "steps"), ("rule", rule)];
        metrics(&dashboard).await.value("ratelog_denied_by_rule_total", &labels)
    };
    until("the denials are counted", async || denied("2/60s").await == Some(3.0)).await;
    assert_eq!(denied("3/60s").await, Some(0.0));
    assert_eq!(denied("4/3600s").await, Some(0.0));
    let metrics = metrics(&dashboard).await;
    let limit =
        |window| metrics.value("ratelog_policy_limit", &[("policy", "steps"), ("window", window)]);
    assert_eq!((limit("60"), limit("3600")), (Some(2.0), Some(4.0)));
}
