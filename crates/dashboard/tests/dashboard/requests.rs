//! Requests of other sites and of other hosts, and the headers of all responses.

use std::io::{Read, Write};
use std::net::TcpStream;

use ratelog_test_support::Server;
use reqwest::Method;
use reqwest::header::HOST;

use crate::roles::{changes, is_valid};
use crate::support::{Dashboard, PASSWORD, PASSWORD_HASH, Reply, User, url};

#[tokio::test]
async fn changes_that_other_sites_ask_for_are_refused() {
    let server = Server::start();
    let dashboard = Dashboard::start(&url(&server)).await;
    dashboard.until_up(1).await;
    let cross: [&[(&str, &str)]; 5] = [
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "http://example.com")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1")],
    ];
    for change in changes() {
        for headers in cross {
            let mut request = change.request(&dashboard, User::Operator);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let reply = Reply::of(request).await;
            assert_eq!(reply.status, 403, "{} {headers:?}", change.path);
        }
    }
    assert_eq!(server.connect().run::<u64>("DBSIZE"), 0);
    for path in ["/login", "/logout"] {
        let request = dashboard.request(User::Nobody, Method::POST, path);
        let form = [("user", "operator"), ("password", PASSWORD)];
        let request = request.form(&form).header("sec-fetch-site", "cross-site");
        assert_eq!(Reply::of(request).await.status, 403, "{path}");
    }
    let own = dashboard.url("");
    for (name, value) in
        [("sec-fetch-site", "same-origin"), ("sec-fetch-site", "none"), ("origin", &own)]
    {
        for change in changes() {
            let request = change.request(&dashboard, User::Operator).header(name, value);
            let reply = Reply::of(request).await;
            assert!(is_valid(&reply), "{} {name}: {}", change.path, reply.text);
        }
    }
}

#[tokio::test]
async fn only_the_hosts_of_the_dashboard_are_answered() {
    let server = Server::start();
    let arguments = ["--allowed-host", "limits.example.com"];
    let dashboard = Dashboard::with(&url(&server), &arguments).await;
    let port = dashboard.port();
    let with = async |host: &str| {
        let request = dashboard.request(User::Operator, Method::GET, "/nodes");
        Reply::of(request.header(HOST, host)).await
    };
    for host in
        ["localhost", "LOCALHOST:80", "limits.example.com", &format!("127.0.0.1:{port}"), "[::1]:1"]
    {
        assert_eq!(with(host).await.status, 200, "{host}");
    }
    for host in
        ["example.com", "limits.example.com.", "127.0.0.1.example.com", "a@localhost", "192.0.2.1"]
    {
        let reply = with(host).await;
        assert_eq!(reply.status, 421, "{host}");
        assert!(reply.text.contains("Start it with --allowed-host"), "{}", reply.text);
        // Supervisors ask by addresses.
        let health = dashboard.request(User::Nobody, Method::GET, "/healthz").header(HOST, host);
        assert_eq!(Reply::of(health).await.status, 200, "{host}");
    }
    // Without a host, and with the host in the request's target.
    for (request, status) in [
        ("GET /nodes HTTP/1.0\r\n\r\n", "421"),
        (
            "GET http://example.com/nodes HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            "421",
        ),
        (
            "GET http://localhost/nodes HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            "303",
        ),
    ] {
        let reply = tokio::task::spawn_blocking(move || raw(port, request)).await.unwrap();
        assert!(
            reply.starts_with("HTTP/1") && reply[8..].starts_with(&format!(" {status}")),
            "{reply}"
        );
    }
}

fn raw(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    String::from_utf8_lossy(&reply).into_owned()
}

#[tokio::test]
async fn every_response_has_the_headers_that_keep_browsers_safe() {
    let server = Server::start();
    let dashboard =
        Dashboard::with(&url(&server), &["--operator-password-hash", &PASSWORD_HASH]).await;
    dashboard.until_up(1).await;
    let mut replies = Vec::new();
    for (user, path) in [
        (User::Operator, "/overview"),
        (User::Operator, "/keys/k"),
        (User::Operator, "/policy?name=none"),
        (User::Operator, "/api/v1/nodes"),
        (User::Operator, "/api/v1/nothing"),
        (User::Operator, "/metrics"),
        (User::Operator, "/nothing"),
        (User::Nobody, "/"),
        (User::Nobody, "/nodes"),
        (User::Nobody, "/login"),
        (User::Nobody, "/api/v1/nodes"),
        (User::Nobody, "/metrics"),
        (User::Nobody, "/healthz"),
        (User::Nobody, "/assets/app.js"),
        (User::Nobody, "/assets/nothing.js"),
    ] {
        replies.push((path, Reply::of(dashboard.request(user, Method::GET, path)).await));
    }
    let cross = dashboard.request(User::Nobody, Method::POST, "/login");
    replies.push(("csrf", Reply::of(cross.header("sec-fetch-site", "cross-site")).await));
    let foreign =
        dashboard.request(User::Nobody, Method::GET, "/login").header(HOST, "example.com");
    replies.push(("host", Reply::of(foreign).await));
    let live = dashboard.request(User::Operator, Method::GET, "/live/nodes").send().await.unwrap();
    let live = Reply { status: 200, headers: live.headers().clone(), text: String::new() };
    assert_eq!(live.header("content-type"), "text/event-stream");
    replies.push(("live", live));
    for (path, reply) in replies {
        let policy = reply.header("content-security-policy");
        let directives: Vec<_> = policy.split(';').map(str::trim).collect();
        for directive in [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        ] {
            assert!(directives.contains(&directive), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{path}: {policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(reply.header(name), value, "{path}");
        }
        // Browsers refuse this header over plain HTTP from another machine.
        let opener = if path == "host" { "" } else { "same-origin" };
        assert_eq!(reply.header("cross-origin-opener-policy"), opener, "{path}");
        let cache = reply.header("cache-control");
        let is_asset = path.starts_with("/assets/app");
        let expected = if is_asset || path == "live" { "no-cache" } else { "no-store" };
        assert_eq!(cache, expected, "{path}");
        assert!(reply.headers.get("access-control-allow-origin").is_none());
    }
}

#[tokio::test]
async fn assets_are_kept_until_they_change() {
    let dashboard = Dashboard::start("redis://127.0.0.1:1").await;
    for (name, content_type) in [
        ("app.js", "text/javascript; charset=utf-8"),
        ("style.css", "text/css; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ] {
        let path = format!("/assets/{name}");
        let reply = Reply::of(dashboard.request(User::Nobody, Method::GET, &path)).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, content_type));
        let tag = reply.header("etag");
        assert!(tag.len() > 10, "{tag}");
        let again = dashboard.request(User::Nobody, Method::GET, &path);
        assert_eq!(Reply::of(again.header("if-none-match", tag)).await.status, 304);
        let other = dashboard.request(User::Nobody, Method::GET, &path);
        assert_eq!(Reply::of(other.header("if-none-match", "\"0\"")).await.status, 200);
    }
    for path in
        ["/assets/..%2FCargo.toml", "/assets/%2E%2E%2FCargo.toml", "/assets/%2Fetc%2Fpasswd"]
    {
        let reply = Reply::of(dashboard.request(User::Nobody, Method::GET, path)).await;
        assert_eq!(reply.status, 404, "{path}");
    }
}

#[tokio::test]
async fn behind_a_base_path_all_links_lead_to_it() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<()>("RL.POLICY SET p 1 1s");
    db.run::<()>("RL.OVERRIDE SET k DENY");
    let arguments = ["--base-path", "/limits/"];
    let dashboard = Dashboard::with(&url(&server), &arguments).await;
    let nodes = async || {
        let reply = dashboard.get("/limits/api/v1/nodes").await;
        reply.json()[0]["state"] == "up"
    };
    crate::support::until("the node answers", nodes).await;
    let mut paths: Vec<_> = [
        "/overview",
        "/keys?match=*",
        "/keys/k?rules=p",
        "/policies",
        "/policy?name=p",
        "/overrides",
        "/nodes",
        "/audit",
        "/login",
        "/nothing",
    ]
    .iter()
    .map(|path| format!("/limits{path}"))
    .collect();
    let mut seen = std::collections::BTreeSet::new();
    while let Some(path) = paths.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let form =
            path.ends_with("/policies/preview").then_some("?name=p&rules=1/second&mode=enforce");
        let path = path + form.unwrap_or_default();
        let mut request = dashboard.request(User::Operator, Method::GET, &path);
        if path.contains("/live/") {
            assert_eq!(request.send().await.unwrap().status(), 200, "{path}");
            continue;
        }
        request = request.header("accept", "text/html");
        let reply = Reply::of(request).await;
        let is_missing = path.ends_with("/nothing");
        assert_eq!(reply.status, if is_missing { 404 } else { 200 }, "{path}: {}", reply.text);
        if !reply.header("content-type").starts_with("text/html") {
            continue;
        }
        let page = reply.page();
        let posts: Vec<_> = page
            .tags
            .iter()
            .filter(|tag| tag.attributes.get("method").is_some_and(|method| method == "post"))
            .map(|tag| tag.attributes["action"].clone())
            .collect();
        for target in page.targets() {
            assert!(target.starts_with("/limits/") || target.starts_with('#'), "{path}: {target}");
            let is_link = target.starts_with('/') && !posts.iter().any(|post| post == target);
            if is_link && !target.ends_with("/what-if") {
                paths.push(target.to_owned());
            }
        }
    }
    assert!(seen.len() > 20, "{seen:?}");
    for path in ["/limits", "/limits/"] {
        assert_eq!(dashboard.get(path).await.location(), "/limits/overview", "{path}");
    }
    for path in ["/overview", "/metrics", "/healthz", "/limitsx/overview"] {
        assert_eq!(dashboard.get(path).await.status, 404, "{path}");
    }
    let anonymous = Reply::of(dashboard.request(User::Nobody, Method::GET, "/limits/nodes")).await;
    assert_eq!(anonymous.location(), "/limits/login?next=%2Flimits%2Fnodes");
    let done = dashboard.post("/limits/keys/k/reset", &[]).await;
    assert_eq!(done.location(), "/limits/keys/k");
    assert!(done.cookies()[0].contains("Path=/limits"), "{done:?}");
    let document = dashboard.get("/limits/api/v1/openapi.json").await.json();
    assert_eq!(document["servers"][0]["url"], "/limits");
}
