//! The rights of operators, of viewers and of others, on every route.

use std::collections::BTreeSet;

use ratelog_test_support::Server;
use reqwest::Method;
use serde_json::json;

use crate::support::{Dashboard, Reply, User, url};

/// The sources that define the routes.
const PAGES: &str = include_str!("../../src/pages/mod.rs");
const API: &str = include_str!("../../src/api/mod.rs");

/// A request that changes something, with a valid body.
pub struct Change {
    pub method: Method,
    /// The path as it is in the source.
    pub route: &'static str,
    pub path: String,
    body: &'static str,
}

/// All requests that change something.
pub fn changes() -> Vec<Change> {
    let page = |route: &'static str, body| Change {
        method: Method::POST,
        route,
        path: route.replace("{key}", "k"),
        body,
    };
    let api = |method, route: &'static str, body| Change {
        method,
        route,
        path: format!("/api/v1{}", route.replace("{key}", "k").replace("{*name}", "p")),
        body,
    };
    let on_all = |action: &str| Change {
        path: format!("/api/v1/policies/{action}"),
        ..api(Method::POST, "/policies/{*name}", r#"{"policies":[]}"#)
    };
    vec![
        page("/keys/{key}/reset", ""),
        page("/keys/{key}/refund", "units=1"),
        page("/keys/{key}/override", "action=deny&ttl=60"),
        page("/keys/{key}/override/delete", ""),
        page("/demo", "run=false"),
        page("/policies", "name=p&rules=1/second&mode=enforce"),
        page("/policies/import", "json=%7B%22policies%22%3A%5B%5D%7D&apply=true"),
        page("/policies/delete", "name=p"),
        page("/policies/make-equal", "source=x"),
        page("/overrides", "key=k&action=deny"),
        page("/overrides/delete", "key=k&confirm=true"),
        api(Method::PUT, "/keys/{key}/override", r#"{"action":"deny"}"#),
        api(Method::DELETE, "/keys/{key}/override", ""),
        api(Method::POST, "/keys/{key}/reset", ""),
        api(Method::POST, "/keys/{key}/refund", r#"{"units":1}"#),
        api(Method::PUT, "/policies/{*name}", r#"{"rules":"1/second","mode":"enforce"}"#),
        api(Method::DELETE, "/policies/{*name}", ""),
        on_all("import"),
        on_all("diff"),
        api(Method::PUT, "/nodes/policies", r#"{"source":"x"}"#),
    ]
}

impl Change {
    pub fn request(&self, dashboard: &Dashboard, user: User) -> reqwest::RequestBuilder {
        let is_api = self.path.starts_with("/api/");
        let content_type =
            if is_api { "application/json" } else { "application/x-www-form-urlencoded" };
        let request = dashboard.request(user, self.method.clone(), &self.path);
        request.header("content-type", content_type).body(self.body)
    }

    fn name(&self) -> (String, String) {
        (self.method.to_string(), self.route.to_owned())
    }
}

/// Returns whether a change was permitted and valid, by its reply.
pub fn is_valid(reply: &Reply) -> bool {
    let missing = ["there is no node x", "there is no policy 'p'"];
    matches!(reply.status, 200 | 303) || missing.iter().any(|text| reply.text.contains(text))
}

/// The methods and paths of the routes in a source.
fn routes(source: &str) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for route in source.split(".route(").skip(1) {
        let (path, rest) = route.trim_start().trim_start_matches('"').split_once('"').unwrap();
        for method in ["get", "post", "put", "delete", "patch"] {
            if rest.contains(&format!("{method}(")) {
                found.insert((method.to_ascii_uppercase(), path.to_owned()));
            }
        }
    }
    assert!(!source.contains("any("), "a route has all methods");
    found
}

/// Signing in and out is for everybody.
fn is_public(path: &str) -> bool {
    path.starts_with("/login") || path == "/logout"
}

#[test]
fn the_table_has_every_route_that_changes_something() {
    let pages = routes(PAGES).into_iter().filter(|(_, path)| !is_public(path));
    let all = pages.chain(routes(API)).filter(|(method, _)| method != "GET");
    let all: BTreeSet<_> = all.collect();
    let table: BTreeSet<_> = changes().iter().map(Change::name).collect();
    assert_eq!(table, all);
}

#[tokio::test]
async fn the_document_of_the_api_has_every_route() {
    let dashboard = Dashboard::start("redis://127.0.0.1:1").await;
    let document = dashboard.json("/openapi.json").await;
    let mut documented = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path = path.strip_prefix("/api/v1").unwrap().replace("{name}", "{*name}");
        let is_action = ["/policies/import", "/policies/diff"].contains(&&*path);
        let path = if is_action { "/policies/{*name}".to_owned() } else { path };
        for (method, operation) in methods.as_object().unwrap() {
            let content = &operation["responses"]["default"]["content"]["application/problem+json"];
            assert_eq!(content["schema"]["$ref"], "#/components/schemas/ProblemDetails", "{path}");
            documented.insert((method.to_ascii_uppercase(), path.clone()));
        }
    }
    let mut all = routes(API);
    assert!(all.remove(&("GET".to_owned(), "/openapi.json".to_owned())));
    assert_eq!(documented, all);
}

#[tokio::test]
async fn only_operators_make_changes() {
    let server = Server::start();
    let dashboard = Dashboard::start(&url(&server)).await;
    dashboard.until_up(1).await;
    for change in changes() {
        let name = change.name();
        let refused = Reply::of(change.request(&dashboard, User::Viewer)).await;
        assert_eq!(refused.status, 403, "{name:?}");
        assert!(refused.text.contains("sign in as an operator"), "{}", refused.text);
        let anonymous = Reply::of(change.request(&dashboard, User::Nobody)).await;
        if change.path.starts_with("/api/") {
            assert_eq!(anonymous.status, 401, "{name:?}");
        } else {
            assert_eq!(anonymous.status, 303, "{name:?}");
            assert!(anonymous.location().starts_with("/login?next="), "{anonymous:?}");
        }
        assert_eq!(server.connect().run::<u64>("DBSIZE"), 0, "{name:?}");
        assert_eq!(server.connect().run::<Vec<String>>("RL.POLICY LIST"), [""; 0], "{name:?}");
    }
    // The same requests are valid.
    for change in changes() {
        let done = Reply::of(change.request(&dashboard, User::Operator)).await;
        assert!(is_valid(&done), "{:?}: {}", change.name(), done.text);
    }
    assert!(server.connect().run::<u64>("XLEN ratelog:audit") > 10);
}

#[tokio::test]
async fn no_method_goes_round_the_roles() {
    let server = Server::start();
    let dashboard = Dashboard::start(&url(&server)).await;
    dashboard.until_up(1).await;
    let methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PURGE"];
    let pages = routes(PAGES).into_iter().map(|(_, path)| path);
    let api = routes(API).into_iter().map(|(_, path)| format!("/api/v1{path}"));
    let paths: BTreeSet<_> = pages.chain(api).chain(["/live/nodes".to_owned()]).collect();
    for path in paths.iter().filter(|path| !is_public(path)) {
        let path = path.replace("{key}", "k").replace("{*name}", "p");
        for method in methods {
            let request = |user| {
                let method = Method::from_bytes(method.as_bytes()).unwrap();
                dashboard.request(user, method, &path).body("confirm=true")
            };
            let anonymous = request(User::Nobody).send().await.unwrap().status().as_u16();
            assert!(matches!(anonymous, 303 | 401), "{method} {path}: {anonymous}");
            let viewer = request(User::Viewer).send().await.unwrap().status().as_u16();
            let is_read = matches!(method, "GET" | "HEAD");
            let expected = if is_read { viewer < 500 } else { matches!(viewer, 403 | 405) };
            assert!(expected, "{method} {path}: {viewer}");
        }
    }
    assert_eq!(server.connect().run::<u64>("DBSIZE"), 0);
}

#[tokio::test]
async fn pages_of_viewers_have_no_forms_of_operators() {
    let server = Server::start();
    server.connect().run::<()>("RL.POLICY SET p 1 1s");
    server.connect().run::<()>("RL.OVERRIDE SET k DENY");
    let dashboard = Dashboard::start(&url(&server)).await;
    dashboard.until_up(1).await;
    for path in [
        "/overview",
        "/keys",
        "/keys/k",
        "/policies",
        "/policy?name=p",
        "/overrides",
        "/nodes",
        "/audit",
    ] {
        let page = Reply::of(dashboard.request(User::Viewer, Method::GET, path)).await.page();
        let forms: Vec<_> = page
            .tags
            .iter()
            .filter(|tag| {
                tag.name == "form" && tag.attributes.get("method").is_some_and(|m| m == "post")
            })
            .map(|tag| &*tag.attributes["action"])
            .collect();
        assert_eq!(forms, ["/logout"], "{path}");
    }
    dashboard.get("/keys/k").await.page().assert_has("Remove override");
}

#[tokio::test]
async fn errors_of_the_api_are_problems() {
    let dashboard = Dashboard::start("redis://127.0.0.1:1").await;
    for (method, path, status) in [
        (Method::GET, "/nothing", 404),
        (Method::POST, "/nodes", 405),
        (Method::GET, "/keys/k/reset", 405),
        (Method::GET, "/keys/k/what-if?limit=x&window=1s", 400),
        (Method::GET, "/keys/k/hits?before=-1", 400),
        (Method::GET, "/overview/history?range=1y", 400),
        (Method::GET, "/keys/k", 503),
        (Method::GET, "/policies", 503),
        (Method::GET, "/overrides", 503),
        (Method::GET, "/keys?match=x", 503),
        (Method::POST, "/policies/import", 400),
        (Method::POST, "/policies/p", 405),
    ] {
        let reply = dashboard.api(method, path, None).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.text);
        assert_eq!(reply.header("content-type"), "application/problem+json", "{path}");
        let problem = reply.json();
        assert_eq!((&problem["status"], &problem["outcome"]), (&status.into(), &"failed".into()));
        assert!(!problem["detail"].as_str().unwrap().is_empty());
    }
    let body = json!({"action": "deny", "ttl": "soon"});
    let reply = dashboard.api(Method::PUT, "/keys/k/override", Some(&body)).await;
    assert_eq!(reply.status, 400);
    assert!(reply.json()["detail"].as_str().unwrap().contains("ttl"), "{}", reply.text);
}
