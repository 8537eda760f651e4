//! Keys and names of policies that try to be something else: each is shown, never run, and can be acted on.

use std::collections::BTreeMap;

use ratelog_client::redis;
use ratelog_test_support::Server;
use reqwest::Method;
use serde_json::json;

use crate::support::{Dashboard, Page, Reply, User, escaped, until, url};

/// The length of a key that no URL can carry.
const LONG: usize = 512 * 1024;

/// Keys, and how pages show them.
fn keys() -> Vec<(Vec<u8>, String)> {
    let same = |key: &str| (key.as_bytes().to_vec(), key.to_owned());
    let shown = |key: &[u8], text: &str| (key.to_vec(), text.to_owned());
    let zeros = "0".repeat(64);
    let mut long = b"</title><script>alert(1)</script>".to_vec();
    long.resize(LONG, b'/');
    let mut long_text = String::from_utf8(long[..200].to_vec()).unwrap();
    long_text.push_str("… (524288 bytes)");
    vec![
        same("<script>alert(1)</script>"),
        same("\"'><img src=x onerror=alert(1)>"),
        same("</textarea></title><svg/onload=alert(1)>"),
        same("javascript:alert(1)"),
        same("{{7*7}}${7*7}"),
        same("a/b/../c//d"),
        same("/"),
        same("//example.com"),
        same("%2F%00%"),
        same(".."),
        same("."),
        same("?a=b"),
        same("#x"),
        same("a b+c&d=e;f\\g"),
        same("@hex:2e"),
        same(&format!("@sha256:{zeros}")),
        same("größe:ключ:鍵"),
        shown(b"", "(empty)"),
        shown(b"a\r\nSet-Cookie: x=1\0", "a\\u{d}\\u{a}Set-Cookie: x=1\\u{0}"),
        shown("\u{202e}gpj.exe\u{2066}\u{200b}".as_bytes(), "\\u{202e}gpj.exe\\u{2066}\\u{200b}"),
        shown(b"\xff\xfe<b>\x80", "\\xff\\xfe<b>\\x80"),
        shown(&[b'<'; 70_000], &format!("{}… (70000 bytes)", "<".repeat(200))),
        (long, long_text),
    ]
}

fn check_all(server: &Server) {
    let mut db = server.connect();
    for (key, _) in keys() {
        db.run::<redis::Value>([&b"RL.CHECK"[..], &key, b"3", b"1h"]);
    }
}

fn units(server: &Server, key: &[u8]) -> usize {
    let hits: Vec<redis::Value> = server.connect().run([&b"RL.HITS"[..], key]);
    hits.len()
}

fn action_of_override(server: &Server, key: &[u8]) -> Option<String> {
    let found: Option<Vec<redis::Value>> = server.connect().run([&b"RL.OVERRIDE"[..], b"GET", key]);
    found.map(|found| redis::from_redis_value(found[1].clone()).unwrap())
}

/// The links to keys on a page, by the text that stands in for the key.
fn links(page: &Page) -> Vec<String> {
    let links = page.values("a", "href").filter(|link| link.starts_with("/keys/"));
    links.map(str::to_owned).collect()
}

#[tokio::test]
async fn every_key_is_shown_and_acted_on_by_pages() {
    let server = Server::start();
    check_all(&server);
    let dashboard = Dashboard::start(&url(&server)).await;
    dashboard.until_up(1).await;
    let list = dashboard.get("/keys?match=*").await.page();
    list.assert_has(&format!("{} keys", keys().len()));
    let links = links(&list);
    assert_eq!(links.len(), keys().len());
    let mut found = BTreeMap::new();
    for link in links {
        let reply = dashboard.get(&link).await;
        assert_eq!(reply.status, 200, "{link}: {}", reply.text);
        let page = reply.page();
        let form = page.values("form", "action").find(|action| action.ends_with("/reset"));
        let path = form.expect("a form that resets").strip_suffix("/reset").unwrap().to_owned();
        let is_visible = |c: char| c == '\n' || !c.is_control();
        assert!(page.text.chars().all(is_visible), "{}", page.text);
        let title = page.text.split(" · Ratelog").next().unwrap().to_owned();
        found.insert(title, path);
    }
    for (key, shown) in keys() {
        let name = key[..key.len().min(40)].escape_ascii().to_string();
        let path = found.get(&shown).unwrap_or_else(|| panic!("no page of {name}: {found:?}"));
        let page = dashboard.submit(&format!("{path}/reset"), &[]).await;
        page.assert_has("1 units are forgotten.");
        assert_eq!(units(&server, &key), 0, "{name}");
        let form = [("action", "deny"), ("rules", ""), ("ttl", "600")];
        let page = dashboard.submit(&format!("{path}/override"), &form).await;
        page.assert_has("The override is set: deny, for 600 s.");
        assert_eq!(action_of_override(&server, &key).as_deref(), Some("deny"), "{name}");
    }
    let overrides = dashboard.get("/overrides").await.page();
    let chosen: Vec<_> = overrides
        .tags
        .iter()
        .filter(|tag| tag.attributes.get("type").is_some_and(|kind| kind == "checkbox"))
        .map(|tag| tag.attributes["value"].clone())
        .collect();
    assert_eq!(chosen.len(), keys().len());
    for (_, shown) in keys() {
        overrides.assert_has(&shown);
    }
    let mut fields: Vec<_> = chosen.iter().map(|key| ("key", &**key)).collect();
    let preview = dashboard.post("/overrides/delete", &fields).await.page();
    preview.assert_has(&format!("Remove {} overrides", keys().len()));
    fields.push(("confirm", "true"));
    let page = dashboard.submit("/overrides/delete", &fields).await;
    page.assert_has(&format!("{} overrides are removed.", keys().len()));
    for (key, _) in keys() {
        assert_eq!(action_of_override(&server, &key), None);
    }
    let audit = dashboard.get("/audit").await.page();
    for (_, shown) in keys() {
        audit.assert_has(&shown);
    }
}

#[tokio::test]
async fn every_key_is_read_and_acted_on_by_the_api() {
    let server = Server::start();
    check_all(&server);
    let dashboard = Dashboard::start(&url(&server)).await;
    dashboard.until_up(1).await;
    let listed = dashboard.json("/keys?match=*").await;
    let mut names = BTreeMap::new();
    for listed in listed["keys"].as_array().unwrap() {
        let path = listed["key"].as_str().unwrap().to_owned();
        let details = dashboard.json(&format!("/keys/{path}")).await;
        assert_eq!((&details["key"], &details["units"]), (&listed["key"], &1.into()), "{path}");
        names.insert(details["percent_encoded"].as_str().unwrap().to_owned(), path);
    }
    assert_eq!(names.len(), keys().len());
    for (name, path) in names {
        let key: Vec<u8> = percent_encoding::percent_decode_str(&name).collect();
        assert!(keys().iter().any(|(other, _)| *other == key));
        let path = format!("/keys/{path}");
        let hits = dashboard.json(&format!("{path}/hits")).await;
        assert_eq!(hits[0]["units"], 1);
        let what_if = dashboard.json(&format!("{path}/what-if?limit=0&window=1h")).await;
        assert_eq!(what_if["denied_units"], 1);
        let refund = json!({"units": 1});
        let reply = dashboard.api(Method::POST, &format!("{path}/refund"), Some(&refund)).await;
        assert_eq!(reply.json()["units"], 1, "{path}");
        assert_eq!(units(&server, &key), 0);
        let body = json!({"action": "allow"});
        let reply = dashboard.api(Method::PUT, &format!("{path}/override"), Some(&body)).await;
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(action_of_override(&server, &key).as_deref(), Some("allow"));
        let overrides = dashboard.json("/overrides").await;
        let listed = &overrides["overrides"].as_array().unwrap()[0];
        assert_eq!(format!("/keys/{}", listed["key"].as_str().unwrap()), path);
        let reply = dashboard.api(Method::DELETE, &format!("{path}/override"), None).await;
        assert_eq!(reply.json()["deleted"], true);
        assert_eq!(action_of_override(&server, &key), None);
        let reply = dashboard.api(Method::POST, &format!("{path}/reset"), None).await;
        assert_eq!(reply.json()["units"], 0);
    }
}

/// Clients encode keys in other ways than the dashboard does.
#[tokio::test]
async fn keys_are_read_in_every_encoding() {
    let server = Server::start();
    let dashboard = Dashboard::start(&url(&server)).await;
    dashboard.until_up(1).await;
    let mut db = server.connect();
    for key in [&b"user:42"[..], b"a/b", b"@ada", b"\xff"] {
        db.run::<redis::Value>([&b"RL.CHECK"[..], key, b"3", b"1h"]);
        let details = dashboard.json(&format!("/keys/{}", escaped(key))).await;
        assert_eq!(details["units"], 1);
    }
    assert_eq!(dashboard.json("/keys/@ada").await["units"], 1);
    // A path without a segment for the key has no key.
    for path in ["/keys/", "/api/v1/keys/"] {
        let reply = Reply::of(dashboard.request(User::Operator, Method::GET, path)).await;
        assert_eq!(reply.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_long_key_that_is_not_remembered_leads_to_no_other() {
    let server = Server::start();
    let dashboard = Dashboard::start(&url(&server)).await;
    let reference = format!("@sha256:{}", "ab".repeat(32));
    let reply = dashboard.get(&format!("/keys/{reference}")).await;
    assert_eq!(reply.status, 404);
    reply.page().assert_has("search for its prefix, and open it in the list");
    for (method, action) in
        [(Method::POST, "reset"), (Method::POST, "override"), (Method::POST, "override/delete")]
    {
        let path = format!("/keys/{reference}/{action}");
        let form = [("action", "deny")];
        let request = dashboard.request(User::Operator, method, &path).form(&form);
        assert_eq!(Reply::of(request).await.status, 404, "{path}");
    }
    let reply = dashboard.api(Method::POST, &format!("/keys/{reference}/reset"), None).await;
    assert_eq!(reply.status, 404);
    assert_eq!(dashboard.post("/overrides/delete", &[("key", &reference)]).await.status, 404);
    assert_eq!(server.connect().run::<u64>("DBSIZE"), 0);
}

#[tokio::test]
async fn names_that_the_server_has_shortened_are_no_links() {
    let server = Server::start();
    let mut db = server.connect();
    let long = format!("user:{}", "x".repeat(1_000));
    for key in [&*long, "user:1"] {
        for _ in 0..3 {
            db.run::<redis::Value>(["RL.CHECK", key, "1", "1h"]);
        }
    }
    let dashboard = Dashboard::start(&url(&server)).await;
    until("the keys are counted", async || {
        dashboard.json("/keys?top=denied").await["keys"].as_array().unwrap().len() == 2
    })
    .await;
    let keys = dashboard.json("/keys?top=denied").await["keys"].clone();
    for key in keys.as_array().unwrap() {
        let is_long = key["key"].as_str().unwrap().contains("xxx");
        assert_eq!(key["shortened"], is_long, "{key}");
    }
    for path in ["/overview", "/keys"] {
        let page = dashboard.get(path).await.page();
        page.assert_has("...[1005 bytes, ");
        assert!(links(&page).iter().all(|link| link == "/keys/user:1"), "{:?}", links(&page));
    }
    // The search finds the key itself.
    let found = dashboard.get("/keys?match=user:x").await.page();
    let page = dashboard.get(&links(&found)[0]).await.page();
    page.assert_has("… (1005 bytes)");
}

/// Names of policies have letters, digits and `._:-/` only, and these are enough.
#[tokio::test]
async fn every_name_of_a_policy_can_be_acted_on() {
    let server = Server::start();
    let dashboard = Dashboard::start(&url(&server)).await;
    dashboard.until_up(1).await;
    let mut db = server.connect();
    for name in
        ["..", ".", "/", "//", "a/../b", "a/", "/a", "import", "export", "-", "a:b/c", "delete"]
    {
        let form = [("name", name), ("rules", "3/hour"), ("mode", "enforce")];
        dashboard
            .submit("/policies", &form)
            .await
            .assert_has(&format!("The policy {name} is stored, on 1 of 1 nodes."));
        assert_eq!(db.run::<Vec<String>>("RL.POLICY LIST"), [name]);
        let list = dashboard.get("/policies").await.page();
        let link = list.values("a", "href").find(|link| link.contains("/policy?name="));
        let page = dashboard.get(link.unwrap()).await;
        assert_eq!(page.status, 200, "{name}");
        page.page().assert_has(&format!("Policy {name}"));
        let form = [("name", name)];
        let page = dashboard.submit("/policies/delete", &form).await;
        page.assert_has(&format!("The policy {name} is deleted, on 1 of 1 nodes."));
        assert_eq!(db.run::<Vec<String>>("RL.POLICY LIST"), [""; 0]);
        let escaped = match name {
            "." | ".." => format!("@hex:{}", "2e".repeat(name.len())),
            _ => escaped(name.as_bytes()),
        };
        let path = format!("/policies/{escaped}");
        let body = json!({"rules": "4/hour", "mode": "shadow"});
        let reply = dashboard.api(Method::PUT, &path, Some(&body)).await;
        assert_eq!(reply.status, 200, "{name}: {}", reply.text);
        assert_eq!(db.run::<Vec<String>>("RL.POLICY LIST"), [name]);
        assert_eq!(dashboard.json(&path).await, body);
        assert_eq!(dashboard.api(Method::DELETE, &path, None).await.status, 200);
        assert_eq!(db.run::<Vec<String>>("RL.POLICY LIST"), [""; 0]);
    }
    assert_eq!(dashboard.api(Method::GET, "/policies/import", None).await.status, 404);
    let long = "a".repeat(65);
    for name in ["", "a b", "<b>", "é", &long] {
        let form = [("name", name), ("rules", "3/hour"), ("mode", "enforce")];
        dashboard
            .submit("/policies", &form)
            .await
            .assert_has("1 to 64 characters of A-Z a-z 0-9 . _ : - /");
        let page = dashboard.get(&format!("/policy?name={}", escaped(name.as_bytes()))).await;
        assert_eq!(page.status, 400, "{name}");
        page.page();
    }
    assert_eq!(db.run::<Vec<String>>("RL.POLICY LIST"), [""; 0]);
}
