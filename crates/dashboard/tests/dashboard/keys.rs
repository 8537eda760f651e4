//! One key: its state, its units, what-if, and the actions of an operator.

use ratelog_client::redis;
use ratelog_test_support::{Cluster, Server};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Dashboard, Reply, User, address, until, url};

const HOUR: i64 = 3_600_000;

async fn start() -> (Server, Dashboard) {
    let server = Server::start();
    let dashboard = Dashboard::start(&url(&server)).await;
    dashboard.until_up(1).await;
    (server, dashboard)
}

#[tokio::test]
async fn a_key_shows_its_log_and_its_next_check() {
    let (server, dashboard) = start().await;
    let mut db = server.connect();
    let missing = dashboard.get("/keys/k").await.page();
    missing.assert_has("The key does not exist");
    let missing = dashboard.json("/keys/k").await;
    assert_eq!((&missing["exists"], &missing["units"]), (&false.into(), &0.into()));
    let now = db.now_ms();
    db.record("k", 2 * HOUR, &[(now - 1000, 2), (now, 1)]);
    let found = dashboard.json("/keys/k?rules=3/hour;%2010/day").await;
    assert_eq!((&found["exists"], &found["units"]), (&true.into(), &3.into()));
    assert_eq!((&found["oldest_ms"], &found["newest_ms"]), (&(now - 1000).into(), &now.into()));
    assert_eq!(found["retention_ms"], 2 * HOUR);
    let next = &found["next_check"];
    assert_eq!((&next["decision"]["allowed"], &next["rule"]), (&false.into(), &0.into()));
    assert_eq!((&next["decided_by"], &next["rules"][1]["remaining"]), (&"rules".into(), &7.into()));
    assert!(next["decision"]["retry_after_ms"].as_u64().unwrap() > 0);
    let page = dashboard.get("/keys/k?rules=3/hour").await.page();
    page.assert_has("Denied by the rules. It will be allowed in");
    page.assert_has("3 in 1h (decides)");
    dashboard.get("/keys/k?rules=10/1500ms").await.page().assert_has("10 in 1500ms");
    db.run::<()>("RL.POLICY SET gold SHADOW 1 1h");
    dashboard.get("/keys/k?rules=gold").await.page().assert_has("shadow mode");
    assert_eq!(dashboard.json("/keys/k?rules=gold").await["next_check"]["decided_by"], "shadow");
    let unknown = dashboard.get("/keys/k?rules=silver").await;
    assert_eq!(unknown.status, 404);
    unknown.page().assert_has("silver");
    assert!(!db.run::<String>("INFO errorstats").contains("NOPOLICY"), "a caller's error");
    let wrong = dashboard.api(Method::GET, "/keys/k?rules=a%20b", None).await;
    assert_eq!(wrong.status, 400);
    let detail = "'a b' is neither the name of a policy nor rules";
    assert!(wrong.json()["detail"].as_str().unwrap().starts_with(detail), "{}", wrong.text);
}

#[tokio::test]
async fn a_policy_that_only_the_node_of_the_key_has_is_found() {
    let cluster = Cluster::start(2, 0);
    // A node whose writes are paused does not take the change. The dashboard asks the node with the least address first.
    let addresses = [0, 1].map(|place| address(&cluster[place]));
    let other = usize::from(addresses[0] < addresses[1]);
    cluster[1 - other].connect().run::<()>("CLIENT PAUSE 600000 WRITE");
    cluster[other].connect().run::<()>("RL.POLICY SET new 2 1h");
    let dashboard = Dashboard::start(&format!("redis+cluster://{}", addresses[0])).await;
    let mut keys = (0..1_000).map(|n| format!("k{n}"));
    let key = keys.find(|key| cluster.primary_of(key) == other).unwrap();
    until("the policy is found", async || {
        dashboard.get(&format!("/keys/{key}?rules=new")).await.status == 200
    })
    .await;
}

#[tokio::test]
async fn units_are_shown_page_by_page() {
    let (server, dashboard) = start().await;
    let mut db = server.connect();
    let now = db.now_ms();
    let hits: Vec<_> = (0..2500).map(|index| (now - 5000 + index, 1 + index % 3)).collect();
    db.record("k", HOUR, &hits);
    let mut expected: Vec<_> =
        hits.iter().map(|(at, units)| json!({"at_ms": at, "units": units})).collect();
    expected.reverse();
    let mut found: Vec<Value> = Vec::new();
    let mut path = "/keys/k/hits".to_owned();
    loop {
        let page = dashboard.json(&path).await;
        let page = page.as_array().unwrap();
        assert!(page.len() <= 1000);
        let Some(oldest) = page.last() else { break };
        path = format!("/keys/k/hits?before={}", oldest["at_ms"]);
        found.extend(page.iter().cloned());
    }
    assert_eq!(found, expected);
    let mut link = "/keys/k".to_owned();
    for count in [1000, 1000, 500] {
        let page = dashboard.get(&link).await.page();
        page.assert_has(&format!("{count} instants, newest first"));
        let next = page.values("a", "href").find(|link| link.contains("?before="));
        assert_eq!(next.is_some(), count == 1000);
        link = next.unwrap_or_default().to_owned();
    }
    dashboard.get("/keys/k?before=1").await.page().assert_has("No units before this instant.");
}

/// Counts as a check does, by a list of the allowed instants.
fn naive(hits: &[(i64, i64)], limit: usize, window: i64) -> (u64, usize) {
    let (mut allowed, mut denied, mut instants) = (Vec::new(), 0, 0);
    for (at, units) in hits {
        let before = denied;
        for _ in 0..*units {
            if allowed.iter().filter(|used| **used > at - window).count() < limit {
                allowed.push(*at);
            } else {
                denied += 1;
            }
        }
        instants += usize::from(denied > before);
    }
    (denied, instants)
}

#[tokio::test]
async fn what_if_agrees_with_a_naive_count() {
    let (server, dashboard) = start().await;
    let mut db = server.connect();
    let now = db.now_ms();
    let hits: Vec<_> = (0..400).map(|i| (now - 60_000 + i * 97 + i * i % 50, 1 + i % 3)).collect();
    let mut hits = hits;
    hits.sort_unstable();
    hits.dedup_by_key(|(at, _)| *at);
    db.record("k", HOUR, &hits);
    let total: i64 = hits.iter().map(|(_, units)| units).sum();
    for (limit, window, millis) in [
        (0, "1h", HOUR),
        (5, "1s", 1000),
        (50, "10s", 10_000),
        (100, "60", 60_000),
        (9999, "1m", 60_000),
    ] {
        let path = format!("/keys/k/what-if?limit={limit}&window={window}");
        let found = dashboard.json(&path).await;
        let (denied, instants) = naive(&hits, limit, millis);
        assert_eq!((&found["denied_units"], &found["units"]), (&denied.into(), &total.into()));
        assert_eq!(found["denied"].as_array().unwrap().len(), instants, "{path}");
    }
    for query in ["limit=1&window=0", "limit=1&window=x", "limit=-1&window=1s", "limit=1", ""] {
        let reply = dashboard.api(Method::GET, &format!("/keys/k/what-if?{query}"), None).await;
        assert_eq!(reply.status, 400, "{query}");
        assert_eq!(reply.header("content-type"), "application/problem+json", "{}", reply.text);
        assert!(!reply.json()["detail"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn what_if_says_that_it_has_not_read_all_units() {
    let (server, dashboard) = start().await;
    let mut db = server.connect();
    let now = db.now_ms();
    let hits: Vec<_> = (0..50_001).map(|i| (now - 60_000 + i, 2)).collect();
    db.record("long", HOUR, &hits);
    db.record("short", HOUR, &hits[..100]);
    let found = dashboard.json("/keys/long/what-if?limit=100000&window=1h").await;
    assert_eq!(
        (&found["units"], &found["denied_units"], &found["incomplete"]),
        (&100_000.into(), &0.into(), &true.into())
    );
    let found = dashboard.json("/keys/short/what-if?limit=100000&window=1h").await;
    assert_eq!((&found["units"], &found["incomplete"]), (&200.into(), &false.into()));
    let only = "Only the newest 50,000 instants are counted.";
    dashboard.get("/keys/long?limit=1&window=1").await.page().assert_has(only);
    dashboard.get("/keys/short?limit=1&window=1").await.page().assert_lacks(only);
    let preview = "/policies/preview?name=p&rules=1/second&mode=enforce&match=";
    dashboard.get(&format!("{preview}long")).await.page().assert_has("only the newest 50,000");
}

#[tokio::test]
async fn units_are_taken_back_and_forgotten() {
    let (server, dashboard) = start().await;
    let mut db = server.connect();
    db.run::<redis::Value>("RL.CHECK k 10 1h COST 7");
    let page = dashboard.submit("/keys/k/refund", &[("units", "2")]).await;
    page.assert_has("2 units are taken back.");
    page.assert_has("Set override");
    assert_eq!(db.units("k"), 5);
    dashboard.get("/keys/k").await.page().assert_lacks("2 units are taken back.");
    let refund = json!({"units": 1});
    let reply = dashboard.api(Method::POST, "/keys/k/refund", Some(&refund)).await;
    assert_eq!(reply.json(), json!({"units": 1}));
    assert_eq!(db.units("k"), 4);
    let page = dashboard.submit("/keys/k/refund", &[("units", "0")]).await;
    page.assert_has("Invalid request: the number of units is at least 1");
    for body in [json!({"units": 0}), json!({"units": -1}), json!({}), json!({"units": 1, "x": 1})]
    {
        let reply = dashboard.api(Method::POST, "/keys/k/refund", Some(&body)).await;
        assert_eq!(reply.status, 400, "{body}");
        assert_eq!(reply.header("content-type"), "application/problem+json");
    }
    assert_eq!(db.units("k"), 4);
    dashboard.submit("/keys/k/reset", &[]).await.assert_has("4 units are forgotten.");
    assert_eq!(db.units("k"), 0);
    let reply = dashboard.api(Method::POST, "/keys/k/reset", None).await;
    assert_eq!(reply.json(), json!({"units": 0}));
}

#[tokio::test]
async fn overrides_are_set_with_an_end_and_removed() {
    let (server, dashboard) = start().await;
    let mut db = server.connect();
    let form = [("action", "limit"), ("rules", "5/minute; 20/hour"), ("ttl", "600")];
    let page = dashboard.submit("/keys/k/override", &form).await;
    page.assert_has("The override is set: limit 5/minute; 20/hour, for 600 s.");
    page.assert_has("limit 5/minute; 20/hour, ends in");
    page.assert_has("Change override");
    let ttl: i64 = db
        .run::<Vec<redis::Value>>("RL.OVERRIDE GET k")
        .iter()
        .find_map(|field| match field {
            redis::Value::Int(number) => Some(*number),
            _ => None,
        })
        .unwrap();
    assert!((1..=600_000).contains(&ttl), "{ttl}");
    let found = dashboard.json("/keys/k").await["override"].clone();
    assert_eq!((&found["action"], &found["rules"]), (&"limit".into(), &"5/minute; 20/hour".into()));
    let form = [("action", "allow"), ("rules", "5/minute"), ("ttl", "")];
    dashboard.submit("/keys/k/override", &form).await.assert_has("allow, without an end.");
    assert_eq!(db.override_text("k"), "ALLOW -1");
    for (form, error) in [
        ([("action", "ban"), ("rules", ""), ("ttl", "")], "action is one of allow, deny, limit"),
        ([("action", "limit"), ("rules", " "), ("ttl", "")], "needs rules"),
        ([("action", "limit"), ("rules", "x"), ("ttl", "")], "rules 'x': "),
        ([("action", "deny"), ("rules", ""), ("ttl", "0")], "ttl is at least 1 second"),
        (
            [("action", "deny"), ("rules", ""), ("ttl", "soon")],
            "ttl 'soon' is not a number of seconds",
        ),
    ] {
        dashboard.submit("/keys/k/override", &form).await.assert_has(error);
    }
    assert_eq!(db.override_text("k"), "ALLOW -1");
    dashboard.submit("/keys/k/override/delete", &[]).await.assert_has("The override is removed.");
    dashboard.submit("/keys/k/override/delete", &[]).await.assert_has("The key had no override.");
    for body in [
        json!({"action": "ban"}),
        json!({"action": "allow", "rules": "1/second"}),
        json!({"action": "deny", "ttl": 0}),
        json!({"action": "deny", "ttl": u64::MAX}),
        json!({"action": "deny", "end": 1}),
    ] {
        let reply = dashboard.api(Method::PUT, "/keys/k/override", Some(&body)).await;
        assert!(matches!(reply.status, 400 | 409), "{body}: {}", reply.status);
        assert_eq!(reply.json()["outcome"], "failed");
    }
    assert_eq!(db.run::<u64>("DBSIZE"), 1, "only the audit");
    let body = json!({"action": "deny", "rules": null, "ttl": 60});
    let reply = dashboard.api(Method::PUT, "/keys/k/override", Some(&body)).await;
    assert_eq!(reply.json(), body);
    let reply = dashboard.api(Method::DELETE, "/keys/k/override", None).await;
    assert_eq!(reply.json(), json!({"deleted": true}));
    let reply = dashboard.api(Method::DELETE, "/keys/k/override", None).await;
    assert_eq!(reply.json(), json!({"deleted": false}));
}

#[tokio::test]
async fn an_override_without_a_key_is_refused() {
    let (server, dashboard) = start().await;
    let form = [("action", "deny"), ("ttl", "60"), ("rules", "")];
    dashboard.submit("/overrides", &form).await.assert_has("Invalid request: a key is missing");
    assert!(
        server.connect().run::<Option<Vec<redis::Value>>>(["RL.OVERRIDE", "GET", ""]).is_none()
    );
    let form = [("action", "deny"), ("ttl", "60"), ("rules", ""), ("key", "user:1")];
    let page = dashboard.submit("/overrides", &form).await;
    page.assert_has("The override of user:1 is set: deny, for 60 s.");
    dashboard.get("/overrides?match=user:*").await.page().assert_has("user:1");
    dashboard.get("/overrides?match=user:").await.page().assert_has("user:1");
    dashboard.get("/overrides?match=tenant:*").await.page().assert_lacks("user:1");
    let nothing = dashboard.post("/overrides/delete", &[]).await.page();
    nothing.assert_has("No override is chosen.");
}

#[tokio::test]
async fn overrides_of_other_databases_are_listed_and_not_changed() {
    let (server, dashboard) = start().await;
    let mut db = server.connect();
    db.run::<()>("RL.OVERRIDE SET user:1 ALLOW");
    db.run::<()>("SELECT 2");
    db.run::<()>("RL.OVERRIDE SET user:1 DENY");
    db.run::<()>("RL.OVERRIDE SET user:2 DENY");
    let other = Dashboard::start(&format!("{}/2", url(&server))).await;
    other.until_up(1).await;
    for (dashboard, database, own) in
        [(&dashboard, 0, vec!["user:1"]), (&other, 2, vec!["user:1", "user:2"])]
    {
        assert_eq!(dashboard.json("/overrides").await["overrides"].as_array().unwrap().len(), 3);
        let page = dashboard.get("/overrides").await.page();
        let mut keys: Vec<_> =
            page.values("input", "value").filter(|value| value.starts_with("user:")).collect();
        keys.sort_unstable();
        assert_eq!(keys, own, "{database}");
        page.assert_has("user:2");
        page.assert_has(&format!("This dashboard changes keys of database {database}."));
    }
    let form = [("key", "user:1"), ("confirm", "true")];
    other.submit("/overrides/delete", &form).await.assert_has("1 override is removed.");
    assert_eq!(server.connect().override_text("user:1"), "ALLOW -1");
    let page = other.get("/overrides").await.page();
    page.assert_has("This dashboard changes keys of database 2.");
    dashboard.submit("/overrides/delete", &form).await.assert_has("1 override is removed.");
    other.get("/overrides").await.page().assert_lacks("This dashboard changes keys");
}

#[tokio::test]
async fn keys_are_found_by_prefix_and_pattern() {
    let (server, dashboard) = start().await;
    let mut db = server.connect();
    for key in ["user:1", "user:2", "tenant:1", "a\\b", "a\\\\c"] {
        db.run::<redis::Value>(["RL.CHECK", key, "5", "1h"]);
    }
    db.run::<()>("SET user:text x");
    let found = async |pattern: &str| -> Vec<String> {
        let path = format!("/keys?match={}", crate::support::escaped(pattern.as_bytes()));
        let keys = dashboard.json(&path).await["keys"].clone();
        keys.as_array().unwrap().iter().map(|key| key["key"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(found("user:").await, ["user:1", "user:2"]);
    assert_eq!(found("*:1").await, ["tenant:1", "user:1"]);
    assert_eq!(found("user:[2-9]").await, ["user:2"]);
    assert_eq!(found("a\\").await, ["a%5C%5Cc", "a%5Cb"]);
    assert_eq!(found("a\\\\").await, ["a%5C%5Cc"]);
    assert_eq!(found("nothing").await, [""; 0]);
    dashboard.get("/keys?match=nothing").await.page().assert_has("No key matches.");
    for path in ["/keys", "/keys?top=all", "/keys?top=denied&match=x"] {
        let reply = dashboard.api(Method::GET, path, None).await;
        assert_eq!(reply.status, 400);
        let detail = "give either top=denied, top=checked or match=";
        assert_eq!(reply.json()["detail"], detail);
    }
}

#[tokio::test]
async fn a_search_shows_at_most_a_thousand_keys() {
    let (server, dashboard) = start().await;
    let mut db = server.connect();
    for index in 0..1_200 {
        db.run::<redis::Value>(&format!("RL.OVERRIDE SET k:{index:04} ALLOW"));
    }
    for path in ["/keys?match=k:", "/overrides"] {
        let page = dashboard.get(path).await.page();
        let links = page.values("a", "href").filter(|link| link.starts_with("/keys/k:"));
        assert_eq!(links.count(), 1_000);
        page.assert_has("more than 1000");
    }
    let found = dashboard.json("/keys?match=k:").await;
    assert_eq!(found["keys"].as_array().unwrap().len(), 1_000);
    assert_eq!(found["incomplete"][0], "more than 1000 keys match; narrow the pattern");
}

#[tokio::test]
async fn the_heaviest_keys_are_listed() {
    let (server, dashboard) = start().await;
    let mut db = server.connect();
    dashboard.get("/keys").await.page().assert_has("rl.top-k 0");
    for _ in 0..3 {
        db.run::<redis::Value>("RL.CHECK denied 1 1h");
        db.run::<redis::Value>("RL.CHECK allowed 9 1h");
    }
    for (top, first) in [("denied", "denied"), ("checked", "allowed")] {
        until("the key is listed", async || {
            let keys = dashboard.json(&format!("/keys?top={top}")).await["keys"].clone();
            keys.as_array()
                .unwrap()
                .iter()
                .any(|key| key["key"] == first && key["count"].as_u64().unwrap() >= 1)
        })
        .await;
    }
    let page = dashboard.get("/keys").await.page();
    assert!(page.values("a", "href").any(|link| link == "/keys/denied"));
    let reply = Reply::of(dashboard.request(User::Viewer, Method::GET, "/keys")).await;
    assert_eq!(reply.status, 200);
}
