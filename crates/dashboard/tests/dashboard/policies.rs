//! Policies: changes on every primary, imports with a diff, and nodes that differ.

use std::collections::BTreeSet;

use ratelog_client::redis;
use ratelog_test_support::{Cluster, Server, Stop};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Dashboard, Page, address, until, url};

fn names(server: &Server) -> Vec<String> {
    server.connect().run("RL.POLICY LIST")
}

#[tokio::test]
async fn a_policy_is_created_changed_switched_and_deleted() {
    let server = Server::start();
    let dashboard = Dashboard::start(&url(&server)).await;
    dashboard.until_up(1).await;
    dashboard.get("/policies").await.page().assert_has("There are no policies.");
    let form = [("name", "api"), ("rules", "10/second; 1000/hour"), ("mode", "enforce")];
    dashboard
        .submit("/policies", &form)
        .await
        .assert_has("The policy api is stored, on 1 of 1 nodes.");
    let list = dashboard.get("/policies").await.page();
    list.assert_has("10/second; 1000/hour");
    // The button that switches the mode sends the fields of its form.
    let form = hidden_fields(&list);
    assert_eq!(form[2], ("mode", "shadow"));
    dashboard
        .submit("/policies", &form)
        .await
        .assert_has("The policy api is stored, on 1 of 1 nodes.");
    let body = json!({"rules": "10/second; 1000/hour", "mode": "shadow"});
    assert_eq!(dashboard.json("/policies/api").await, body);
    assert_eq!(dashboard.json("/policies").await, json!({"api": body}));
    let page = dashboard.get("/policy?name=api").await.page();
    page.assert_has("shadow: counts what it would deny, and denies nothing");
    for (form, error) in [
        ([("name", "api"), ("rules", "x"), ("mode", "enforce")], "rules 'x': "),
        (
            [("name", "api"), ("rules", "1/second"), ("mode", "off")],
            "mode is one of enforce, shadow",
        ),
        ([("name", ""), ("rules", "1/second"), ("mode", "enforce")], "a policy's name is"),
    ] {
        dashboard.submit("/policies", &form).await.assert_has(error);
    }
    assert_eq!(dashboard.json("/policies/api").await, body);
    dashboard
        .submit("/policies/delete", &[("name", "api")])
        .await
        .assert_has("The policy api is deleted, on 1 of 1 nodes.");
    assert_eq!(names(&server), [""; 0]);
    assert_eq!(dashboard.get("/policy?name=api").await.status, 404);
    let reply = dashboard.api(Method::GET, "/policies/api", None).await;
    assert_eq!((reply.status, &reply.json()["detail"]), (404, &"there is no policy 'api'".into()));
}

#[tokio::test]
async fn a_preview_shows_the_decisions_and_applies_what_it_shows() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET api 10 1s 1000 1h");
    for (key, units) in [("user:1", 5), ("user:2", 2), ("job", 9)] {
        for _ in 0..units {
            db.run::<redis::Value>(&format!("RL.CHECK {key} 10 1h"));
        }
    }
    let dashboard = Dashboard::start(&url(&server)).await;
    dashboard.until_up(1).await;
    let query = "name=api&rules=3/hour&mode=enforce&match=user:*";
    let preview = dashboard.get(&format!("/policies/preview?{query}")).await.page();
    for text in ["10/second; 1000/hour", "3/hour", "2 of 7 units would have been denied", "user:2"]
    {
        preview.assert_has(text);
    }
    preview.assert_lacks("job");
    let sample = dashboard.json("/what-if?rules=3/hour&match=user:*").await;
    assert_eq!((&sample["units"], &sample["denied_units"]), (&json!(7), &json!(2)), "{sample}");
    let before = dashboard.json("/policies/api").await;
    assert_eq!(before["rules"], "10/second; 1000/hour", "nothing is applied yet");
    // Somebody else changes the policy meanwhile.
    db.run::<()>("RL.POLICY SET api 11 1s");
    let page = dashboard.submit("/policies", &hidden_fields(&preview)).await;
    page.assert_has("The policy api has changed since you saw it: it is 11/second");
    assert_eq!(dashboard.json("/policies/api").await["rules"], "11/second");
    let audit = dashboard.json("/audit").await;
    assert_eq!(audit["entries"][0]["outcome"], "failed", "{audit}");
    let preview = dashboard.get(&format!("/policies/preview?{query}")).await.page();
    let page = dashboard.submit("/policies", &hidden_fields(&preview)).await;
    page.assert_has("The policy api is stored, on 1 of 1 nodes.");
    assert_eq!(dashboard.json("/policies/api").await["rules"], "3/hour");
}

/// The hidden fields of the page's first form about a policy.
fn hidden_fields(page: &Page) -> [(&str, &str); 4] {
    ["name", "rules", "mode", "seen"].map(|name| (name, hidden_field(page, name)))
}

/// The value of the page's first hidden field of a name.
fn hidden_field<'a>(page: &'a Page, name: &str) -> &'a str {
    let wanted = [("type", "hidden"), ("name", name)];
    let mut inputs = page.tags.iter().map(|tag| &tag.attributes).filter(|attributes| {
        wanted.iter().all(|(key, value)| attributes.get(*key).is_some_and(|v| v == value))
    });
    &inputs.next().expect("a hidden field")["value"]
}

#[tokio::test]
async fn an_import_shows_its_changes_before_it_is_applied() {
    let server = Server::start();
    let mut db = server.connect();
    for command in ["SET kept 1 1s", "SET changed 1 1s", "SET removed 5 1m"] {
        db.run::<()>(&format!("RL.POLICY {command}"));
    }
    let before: String = db.run("RL.POLICY EXPORT");
    let dashboard = Dashboard::start(&url(&server)).await;
    dashboard.until_up(1).await;
    let exported = dashboard.get("/policies/export").await;
    assert!(exported.header("content-disposition").contains("policies.json"));
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(exported.json(), parsed(&before));
    let same = dashboard.post("/policies/import", &[("json", &before)]).await.page();
    same.assert_has("nothing would change");
    let new = r#"{"policies":[{"name":"added","rules":[{"limit":2,"window":"1h"}]},{"name":"changed","shadow":true,"rules":[{"limit":1,"window":"1s"}]},{"name":"kept","rules":[{"limit":1,"window":"1s"}]}]}"#;
    let diff = dashboard.post("/policies/import", &[("json", new)]).await.page();
    for text in ["added", "2/hour", "shadow: 1/second", "removed", "5/minute", "Apply 3 changes"] {
        diff.assert_has(text);
    }
    diff.assert_lacks("kept 1/second");
    assert_eq!(db.run::<String>("RL.POLICY EXPORT"), before, "nothing is applied yet");
    let json = diff.text.split_once('{').map(|(_, rest)| format!("{{{rest}")).unwrap();
    let json = &json[..=json.rfind('}').unwrap()];
    let form = [("json", json), ("apply", "true"), ("seen", hidden_field(&diff, "seen"))];
    db.run::<()>("RL.POLICY SET late 1 1s");
    let page = dashboard.submit("/policies/import", &form).await;
    page.assert_has("The policies have changed since you saw them");
    assert_eq!(names(&server), ["changed", "kept", "late", "removed"]);
    db.run::<u64>("RL.POLICY DEL late");
    let page = dashboard.submit("/policies/import", &form).await;
    page.assert_has("The policies are imported, on 1 of 1 nodes.");
    assert_eq!(parsed(&db.run::<String>("RL.POLICY EXPORT")), parsed(new));
    for wrong in [
        "",
        "[]",
        r#"{"policies":[{"name":"a b","rules":[]}]}"#,
        r#"{"policies":[{"name":"a","rules":[]}]}"#,
    ] {
        assert_eq!(dashboard.post("/policies/import", &[("json", wrong)]).await.status, 400);
        let page =
            dashboard.submit("/policies/import", &[("json", wrong), ("apply", "true")]).await;
        page.assert_has("Invalid request: ");
    }
    assert_eq!(parsed(&db.run::<String>("RL.POLICY EXPORT")), parsed(new));
    let reply =
        dashboard.request(crate::support::User::Operator, Method::POST, "/api/v1/policies/import");
    let reply = crate::support::Reply::of(reply.body(before.clone())).await;
    assert_eq!(reply.json(), json!([{"node": address(&server), "outcome": "done", "error": null}]));
    assert_eq!(parsed(&db.run::<String>("RL.POLICY EXPORT")), parsed(&before));
}

#[tokio::test]
async fn only_the_policy_that_a_page_shows_is_deleted() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET p 1 1s");
    let dashboard = Dashboard::start(&url(&server)).await;
    dashboard.until_up(1).await;
    let page = dashboard.get("/policy?name=p").await.page();
    let form = [("name", "p"), ("seen", hidden_field(&page, "seen"))];
    db.run::<()>("RL.POLICY SET p 2 1s");
    let page = dashboard.submit("/policies/delete", &form).await;
    page.assert_has("The policy p has changed since you saw it: it is 2/second");
    assert_eq!(names(&server), ["p"]);
    let reply = dashboard.api(Method::DELETE, "/policies/other", None).await;
    assert_eq!((reply.status, &reply.json()["outcome"]), (404, &json!("failed")));
    let entry = dashboard.json("/audit").await["entries"][0].clone();
    assert_eq!([&entry["action"], &entry["outcome"]], ["delete_policy", "failed"]);
    assert_eq!(dashboard.api(Method::DELETE, "/policies/p", None).await.status, 200);
    assert_eq!(names(&server), [""; 0]);
}

#[tokio::test]
async fn an_import_by_the_api_can_be_that_of_a_diff_only() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET kept 1 1s");
    let dashboard = Dashboard::start(&url(&server)).await;
    dashboard.until_up(1).await;
    let document = r#"{"policies":[{"name":"new","rules":[{"limit":2,"window":"1h"}]}]}"#;
    let post = async |path: &str| {
        let request = dashboard.request(crate::support::User::Operator, Method::POST, path);
        crate::support::Reply::of(request.body(document)).await
    };
    let diff = post("/api/v1/policies/diff").await.json();
    let expected = json!([
        {"name": "kept", "before": "1/second", "after": null},
        {"name": "new", "before": null, "after": "2/hour"},
    ]);
    assert_eq!(diff["changes"], expected);
    assert_eq!(names(&server), ["kept"], "nothing is applied");
    let import = format!("/api/v1/policies/import?seen={}", diff["seen"].as_str().unwrap());
    db.run::<()>("RL.POLICY SET late 1 1s");
    let reply = post(&import).await;
    assert_eq!(reply.status, 409, "{}", reply.text);
    assert!(reply.text.contains("The policies have changed since you saw them"), "{}", reply.text);
    assert_eq!(names(&server), ["kept", "late"]);
    db.run::<u64>("RL.POLICY DEL late");
    assert_eq!(post(&import).await.status, 200);
    assert_eq!(names(&server), ["new"]);
    assert_eq!(post("/api/v1/policies/other").await.status, 405);
}

#[tokio::test]
async fn a_change_has_an_outcome_on_each_primary() {
    let mut cluster = Cluster::start(3, 0);
    let dashboard = Dashboard::start(&format!("redis+cluster://{}", address(&cluster[0]))).await;
    dashboard.until_up(3).await;
    let body = json!({"rules": "1/second", "mode": "enforce"});
    let reply = dashboard.api(Method::PUT, "/policies/api", Some(&body)).await;
    let outcomes = reply.json();
    assert_eq!(outcomes.as_array().unwrap().len(), 3);
    assert!(outcomes.as_array().unwrap().iter().all(|outcome| outcome["outcome"] == "done"));
    for node in cluster.each_node() {
        assert_eq!(names(node), ["api"]);
    }
    let lost = address(&cluster[1]);
    cluster[1].stop(Stop::Kill);
    let down = async || dashboard.state_of(&lost).await.as_deref() == Some("down");
    until("the node is down", down).await;
    let reply = dashboard.api(Method::DELETE, "/policies/api", None).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    for outcome in reply.json().as_array().unwrap() {
        let is_lost = outcome["node"] == *lost;
        assert_eq!(outcome["outcome"], if is_lost { "failed" } else { "done" }, "{outcome}");
        assert_eq!(outcome["error"].is_string(), is_lost);
    }
    let form = [("name", "api"), ("rules", "2/second"), ("mode", "enforce")];
    let page = dashboard.submit("/policies", &form).await;
    page.assert_has(&format!("The policy api is stored, on 2 of 3 nodes. {lost}: failed ("));
    page.assert_has(&format!("cannot connect to {lost}"));
    assert_eq!(names(&cluster[0]), ["api"]);
    // The stream may be on the node that is lost: this process has the entries all the same.
    let audit = dashboard.json("/audit").await;
    let entries = audit["entries"].as_array().unwrap();
    let outcomes: Vec<_> = entries.iter().rev().map(|entry| entry["outcome"].as_str()).collect();
    assert!(outcomes.ends_with(&[Some("failed"), Some("failed")]), "{audit}");
    let error = entries[0]["error"].as_str().unwrap();
    assert!(error.starts_with(&format!("done on 2 of 3 nodes; {lost}: failed (")), "{error}");
}

#[tokio::test]
async fn a_server_with_longer_windows_and_many_rules_is_shown_and_imported() {
    let server = Server::with(&["rl.max-window 3650d"]);
    let mut db = server.connect();
    let rules = (1..=16).map(|window| format!("1 {window}s")).collect::<Vec<_>>().join(" ");
    for index in 0..2_000 {
        db.run::<()>(&format!("RL.POLICY SET tenant-{index:04} {rules}"));
    }
    db.run::<()>("RL.POLICY SET long 5 400d");
    let dashboard = Dashboard::start(&url(&server)).await;
    dashboard.until_up(1).await;
    assert_eq!(dashboard.json("/policies/long").await["rules"], "5/400d");
    assert_eq!(dashboard.json("/keys/k/what-if?limit=5&window=400d").await["units"], 0);
    let json = dashboard.get("/policies/export").await.text;
    assert!(json.len() > 2 << 20, "{}", json.len());
    let same = dashboard.post("/policies/import", &[("json", &json)]).await.page();
    same.assert_has("nothing would change");
    let reply =
        dashboard.request(crate::support::User::Operator, Method::POST, "/api/v1/policies/import");
    let reply = crate::support::Reply::of(reply.body(json)).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
}

/// A replica that accepts writes can get policies of its own.
#[tokio::test]
async fn nodes_that_differ_are_shown_and_made_equal() {
    let primary = Server::start();
    let replica = primary.start_replica(&["replica-read-only no"]);
    primary.connect().run::<()>("RL.POLICY SET common 1 1s");
    until("the replica has the policy", async || names(&replica) == ["common"]).await;
    let dashboard = Dashboard::start(&url(&primary)).await;
    dashboard.until_up(2).await;
    let differ = async || {
        let problems = dashboard.json("/overview").await["problems"].clone();
        problems.to_string().contains("nodes have different policies")
    };
    for source in [&primary, &replica] {
        replica.connect().run::<redis::Value>("RL.POLICY SET own 2 1s");
        assert_ne!(names(&primary), names(&replica));
        until("the difference is seen", differ).await;
        let page = dashboard.get("/policies").await.page();
        page.assert_has("Nodes have different policies");
        page.assert_has("own");
        page.assert_has("2/second");
        let source = address(source);
        page.assert_has(&format!("Give all nodes the policies of {source}"));
        let page = dashboard.submit("/policies/make-equal", &[("source", &source)]).await;
        page.assert_has(&format!("The nodes have the policies of {source}, on 1 of 1 nodes."));
        let expected: &[&str] =
            if source == address(&primary) { &["common"] } else { &["common", "own"] };
        until("both have the policies of the source", async || {
            names(&primary) == expected && names(&replica) == expected
        })
        .await;
        until("the difference is gone", async || !differ().await).await;
    }
    let page = dashboard.submit("/policies/make-equal", &[("source", "192.0.2.1:1")]).await;
    page.assert_has("there is no node 192.0.2.1:1");

    let path = "/nodes/policies";
    assert_eq!(dashboard.json(path).await["groups"], json!([]), "all nodes have the same");
    replica.connect().run::<()>("RL.POLICY SET common 3 1s");
    until("the difference is seen", differ).await;
    let found = dashboard.json(path).await;
    let groups = &found["groups"];
    let nodes = groups.as_array().unwrap().iter().map(|group| group["nodes"].clone());
    let nodes: BTreeSet<_> = nodes.map(|nodes| nodes.to_string()).collect();
    assert_eq!(nodes, [&primary, &replica].map(|node| json!([address(node)]).to_string()).into());
    assert_eq!((&groups[0]["differences"], &groups[1]["error"]), (&json!([]), &Value::Null));
    let change = &groups[1]["differences"][0];
    let rules: BTreeSet<_> = ["before", "after"].map(|side| change[side].as_str()).into();
    assert_eq!(change["name"], "common");
    assert_eq!(rules, [Some("1/second"), Some("3/second")].into());
    let reply = dashboard.api(Method::PUT, path, Some(&json!({"source": "192.0.2.1:1"}))).await;
    assert_eq!(reply.status, 404, "{}", reply.text);
    let source = address(&replica);
    let seen = json!({"source": source, "seen": found["seen"]});
    replica.connect().run::<()>("RL.POLICY SET common 4 1s");
    let reply = dashboard.api(Method::PUT, path, Some(&seen)).await;
    assert_eq!(reply.status, 409, "{}", reply.text);
    replica.connect().run::<()>("RL.POLICY SET common 3 1s");
    let reply = dashboard.api(Method::PUT, path, Some(&seen)).await;
    assert_eq!(reply.json()[0]["outcome"], "done", "{}", reply.text);
    let entry = dashboard.json("/audit").await["entries"][0].clone();
    assert!(entry["before"].as_str().unwrap().contains("common: "), "{entry}");
    assert_eq!(entry["after"], "common: 3/second\nown: 2/second");
    until("both have the policies of the replica", async || {
        primary.connect().run::<Vec<redis::Value>>("RL.POLICY GET common")
            == replica.connect().run::<Vec<redis::Value>>("RL.POLICY GET common")
    })
    .await;
    until("the difference is gone", async || !differ().await).await;
}
