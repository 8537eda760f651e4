//! The users of `redis.conf.example` have the rights that the dashboard needs, and no others.

use ratelog_client::redis;
use ratelog_test_support::Server;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Dashboard, address, cluster_with_replicas};

const EXAMPLE: &str = include_str!("../../../../redis.conf.example");

/// The example's line that defines a user, and its password.
fn user(name: &str) -> (&'static str, &'static str) {
    let mut lines = EXAMPLE.lines().filter_map(|line| line.strip_prefix("# "));
    let start = format!("user {name} ");
    let line = lines.find(|line| line.starts_with(&start)).expect("the example has the user");
    (line, line.split(' ').find_map(|word| word.strip_prefix('>')).expect("a password"))
}

fn url(scheme: &str, name: &str, server: &Server) -> String {
    format!("{scheme}://{name}:{}@127.0.0.1:{}/", user(name).1, server.port())
}

fn assert_nothing_was_rejected(server: &Server) {
    let rejected: Vec<redis::Value> = server.connect().run("ACL LOG");
    assert!(rejected.is_empty(), "{rejected:?}");
}

async fn assert_all_works(dashboard: &Dashboard) {
    for path in [
        "/overview",
        "/keys",
        "/keys/ratelog:k?rules=p",
        "/keys?match=ratelog:",
        "/policies",
        "/policies/export",
        "/policy?name=p",
        "/overrides",
        "/nodes",
        "/audit",
    ] {
        let reply = dashboard.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        assert!(
            !reply.text.contains("no permissions") && !reply.text.contains("Not all keys"),
            "{path}"
        );
    }
    for path in ["/keys?match=ratelog:", "/overrides"] {
        assert_eq!(dashboard.json(path).await["incomplete"], json!([]), "{path}");
    }
    for path in ["/keys/ratelog:k/hits", "/keys/ratelog:k/what-if?limit=1&window=1h"] {
        dashboard.json(path).await;
    }
    assert_eq!(dashboard.json("/audit").await["error"], Value::Null);
}

async fn make_all_changes(dashboard: &Dashboard) {
    let rules = json!({"rules": "5/hour", "mode": "enforce"});
    for (method, path, body) in [
        (Method::PUT, "/policies/p", Some(rules)),
        (Method::PUT, "/keys/ratelog:k/override", Some(json!({"action": "deny"}))),
        (Method::DELETE, "/keys/ratelog:k/override", None),
        (Method::POST, "/keys/ratelog:k/refund", Some(json!({"units": 1}))),
        (Method::POST, "/keys/ratelog:k/reset", None),
    ] {
        let reply = dashboard.api(method, path, body.as_ref()).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
    }
}

#[tokio::test]
async fn keys_that_the_dashboard_may_not_read_do_not_keep_rules_from_being_changed() {
    let server = Server::with(&[user("dashboard").0]);
    let mut db = server.connect();
    for key in ["foreign", "ratelog:own"] {
        db.run::<redis::Value>(&format!("RL.CHECK {key} 9 1h"));
    }
    let dashboard = Dashboard::start(&url("redis", "dashboard", &server)).await;
    dashboard.until_up(1).await;
    crate::support::until("both keys are known", async || {
        dashboard.json("/keys?top=checked").await["keys"].as_array().unwrap().len() == 2
    })
    .await;
    for query in ["", "&match=*"] {
        let sample = dashboard.json(&format!("/what-if?rules=1/hour{query}")).await;
        assert_eq!((&sample["units"], &sample["unreadable"]), (&json!(1), &json!(1)), "{sample}");
        let path = format!("/policies/preview?name=p&rules=1/hour&mode=enforce{query}");
        let page = dashboard.get(&path).await.page();
        page.assert_has("1 key is left out");
        page.assert_has("0 of 1 units would have been denied");
    }
}

#[tokio::test]
async fn the_users_of_the_example_are_enough_on_one_server() {
    let server = Server::with(&[user("dashboard").0, user("operator").0]);
    let arguments = ["--operator-url", &url("redis", "operator", &server)];
    let dashboard = Dashboard::with(&url("redis", "dashboard", &server), &arguments).await;
    dashboard
        .until_nodes("the node's INFO is read", |nodes| {
            nodes.first().is_some_and(|node| node["server"].is_string())
        })
        .await;
    make_all_changes(&dashboard).await;
    assert_all_works(&dashboard).await;
    assert_nothing_was_rejected(&server);
}

#[tokio::test]
async fn the_users_of_the_example_are_enough_in_a_cluster() {
    let cluster = cluster_with_replicas(&[user("dashboard").0, user("operator").0]);
    let arguments = ["--operator-url", &url("redis+cluster", "operator", &cluster[0])];
    let arguments = [arguments[0], arguments[1].trim_end_matches('/')];
    let reader = url("redis+cluster", "dashboard", &cluster[0]);
    let dashboard = Dashboard::with(reader.trim_end_matches('/'), &arguments).await;
    dashboard.until_up(6).await;
    make_all_changes(&dashboard).await;
    assert_all_works(&dashboard).await;
    for node in cluster.each_node() {
        assert_nothing_was_rejected(node);
    }
}

#[tokio::test]
async fn a_dashboard_that_only_reads_says_so() {
    let server = Server::with(&[user("dashboard").0]);
    server.connect().run::<()>("RL.POLICY SET p 5 1h");
    let dashboard = Dashboard::start(&url("redis", "dashboard", &server)).await;
    dashboard.until_up(1).await;
    assert_all_works(&dashboard).await;
    let text = "redis.conf.example lists the rights of the users `operator` and `dashboard`; set --operator-url.";
    for (method, path, body) in [
        (Method::POST, "/keys/ratelog:k/reset", None),
        (Method::DELETE, "/policies/p", None),
        (Method::PUT, "/keys/ratelog:k/override", Some(json!({"action": "deny"}))),
    ] {
        let reply = dashboard.api(method, path, body.as_ref()).await;
        assert_eq!(reply.status, 403, "{path}: {}", reply.text);
        assert!(reply.json()["detail"].as_str().unwrap().ends_with(text), "{}", reply.text);
    }
    // The changes that failed are kept here, because they cannot be stored.
    let audit = dashboard.json("/audit").await;
    assert_eq!(audit["entries"].as_array().unwrap().len(), 3, "{audit}");
    assert!(audit["error"].as_str().unwrap().contains("no permissions"), "{audit}");
    assert_eq!(address(&server), dashboard.json("/nodes").await[0]["address"]);
    // The key is outside the pattern of the user's rights.
    let reply = dashboard.get("/keys/other").await;
    assert_eq!(reply.status, 403);
    let text = reply.page().text.to_lowercase();
    assert!(text.contains("no permissions to access"), "{text}");
}
