//! Actions that are not answered, and the audit of all actions.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use ratelog_client::redis;
use ratelog_test_support::{Client, Server, Stop, scaled_timeout};
use reqwest::Method;
use serde_json::Value;

use crate::program::Program;
use crate::support::{Dashboard, OPERATOR, Reply, address, until, url};

type Fields = std::collections::HashMap<String, String>;

/// The entries of the stream, oldest first.
fn stream_of(server: &Server) -> Vec<Fields> {
    let rows: Vec<(String, Fields)> = server.connect().run("XRANGE ratelog:audit - +");
    rows.into_iter().map(|(_, fields)| fields).collect()
}

async fn entries(dashboard: &Dashboard) -> Vec<Value> {
    dashboard.json("/audit").await["entries"].as_array().unwrap().clone()
}

/// Asks a dashboard to reset the key `k`, and closes the connection when the server has got the command.
async fn reset_and_leave(dashboard: &str, db: &mut Client) {
    let mut stream = TcpStream::connect(dashboard).unwrap();
    let request = format!(
        "POST /api/v1/keys/k/reset HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {OPERATOR}\r\nContent-Length: 0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    until("the server has got the command", async || {
        db.run::<String>("CLIENT LIST").to_lowercase().contains("cmd=rl.reset")
    })
    .await;
}

#[tokio::test]
async fn every_change_is_audited_with_its_state_before_and_after() {
    let server = Server::start();
    let dashboard = Dashboard::start(&url(&server)).await;
    dashboard.until_up(1).await;
    server.connect().run::<redis::Value>("RL.CHECK k 9 1h COST 5");
    let deny = [("action", "deny"), ("rules", ""), ("ttl", "60")];
    dashboard.submit("/keys/k/refund", &[("units", "2")]).await;
    dashboard.submit("/keys/k/reset", &[]).await;
    server.connect().run::<redis::Value>("RL.CHECK k 9 1h COST 3");
    dashboard.submit("/keys/k/refund", &[("units", "1000")]).await;
    dashboard.submit("/keys/k/override", &deny).await;
    dashboard.submit("/keys/k/override/delete", &[]).await;
    let policy = [("name", "p"), ("rules", "1/second"), ("mode", "shadow")];
    dashboard.submit("/policies", &policy).await;
    dashboard.submit("/policies/delete", &[("name", "p")]).await;
    let json = r#"{"policies":[{"name":"q","rules":[{"limit":1,"window":"1s"}]}]}"#;
    dashboard.submit("/policies/import", &[("json", json), ("apply", "true")]).await;
    let expected = [
        ("refund", "k", "5 units", "2 units less"),
        ("reset", "k", "3 units", "0 units, 3 less"),
        ("refund", "k", "3 units", "3 units less"),
        ("set_override", "k", "none", "deny, for 60 s"),
        ("delete_override", "k", "deny, for 60 s", "none"),
        ("set_policy", "p", "none", "shadow: 1/second"),
        ("delete_policy", "p", "shadow: 1/second", "none"),
        ("import_policies", "1 policies", "", "q: 1/second"),
    ];
    let found = stream_of(&server);
    assert_eq!(found.len(), expected.len());
    let mut listed = entries(&dashboard).await;
    listed.reverse();
    for ((entry, listed), (action, target, before, after)) in
        found.iter().zip(&listed).zip(expected)
    {
        assert_eq!([&entry["action"], &entry["target"]], [action, target]);
        // Up to a second of the override has passed.
        assert_eq!([&entry["before"].replace("59 s", "60 s"), &entry["after"]], [before, after]);
        assert_eq!([&entry["outcome"], &entry["error"]], ["done", ""]);
        assert_eq!([&entry["user"], &entry["method"]], ["operator-token", "token"]);
        assert_eq!(entry["address"], "127.0.0.1");
        for (name, value) in entry.iter().filter(|(name, _)| *name != "at_ms") {
            assert_eq!(listed[name], **value);
        }
    }
    let page = dashboard.get("/audit").await.page();
    page.assert_has("import policies");
    assert_eq!(page.values("a", "href").filter(|link| *link == "/keys/k").count(), 5);
}

#[tokio::test]
async fn a_change_that_fails_is_audited_as_failed() {
    let server = Server::start();
    let dashboard = Dashboard::start(&url(&server)).await;
    dashboard.until_up(1).await;
    server.connect().run::<()>("SET text x");
    let page = dashboard.post("/keys/text/reset", &[]).await;
    assert_eq!(page.status, 303);
    let reply = dashboard.api(Method::POST, "/keys/text/reset", None).await;
    assert_eq!(reply.status, 409, "{}", reply.text);
    assert_eq!(reply.json()["outcome"], "failed");
    let found = stream_of(&server);
    assert_eq!(found.len(), 2);
    for entry in found {
        assert_eq!((&*entry["outcome"], &*entry["before"]), ("failed", "not read"));
        assert!(entry["error"].contains("WRONGTYPE"), "{entry:?}");
    }
}

#[tokio::test]
async fn a_change_without_an_answer_is_unknown_and_never_done() {
    let server = Server::start();
    let url = url(&server);
    let dashboard = Dashboard::with(&url, &["--operator-url", &url]).await;
    dashboard.until_up(1).await;
    server.connect().run::<redis::Value>("RL.CHECK k 9 1h");
    dashboard.submit("/keys/other/reset", &[]).await.assert_has("0 units are forgotten.");
    server.pause();
    let reply = dashboard.api(Method::POST, "/keys/k/reset", None).await;
    assert_eq!(reply.status, 504, "{}", reply.text);
    let problem = reply.json();
    assert_eq!(
        (&problem["outcome"], &problem["title"]),
        (&"unknown".into(), &"Outcome unknown".into())
    );
    let detail = "The server may have done it: look before you try again.";
    assert!(problem["detail"].as_str().unwrap().ends_with(detail), "{problem}");
    let newest = entries(&dashboard).await.remove(0);
    assert_eq!((&newest["action"], &newest["outcome"]), (&"reset".into(), &"unknown".into()));
    assert_eq!(newest["before"], "not read");
    // The connection is lost by now, so nothing is sent.
    let reply = dashboard.post("/keys/k/reset", &[]).await;
    let location = reply.location();
    for notices in [1, 0] {
        let reply = dashboard.get(&location).await;
        assert_eq!(reply.status, 503);
        let page = reply.page();
        let roles = page.values("p", "role").filter(|role| *role == "status");
        assert_eq!(roles.count(), notices, "{}", page.text);
    }
    let reply = dashboard.api(Method::DELETE, "/keys/k/override", None).await;
    assert_eq!(reply.status, 503, "{}", reply.text);
    assert_eq!(reply.json()["outcome"], "failed");
    dashboard.get("/audit").await.page().assert_has("The stream cannot be read or written");
    server.resume();
    dashboard.until_up(1).await;
    // The server has done what it was asked before it stopped.
    let page = dashboard.get(&location).await.page();
    page.assert_has("The key does not exist");
    dashboard.submit("/keys/k/reset", &[]).await.assert_has("0 units are forgotten.");
    let found = dashboard.json("/audit").await;
    assert_eq!(found["error"], Value::Null, "what was not stored is stored by now");
    let outcomes = |entries: &[Value]| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        entries.iter().map(|entry| (text(&entry["action"]), text(&entry["outcome"]))).collect()
    };
    let expected = [
        ("reset", "done"),
        ("delete_override", "failed"),
        ("reset", "failed"),
        ("reset", "unknown"),
        ("reset", "done"),
    ];
    let expected = expected.map(|(action, outcome)| (action.to_owned(), outcome.to_owned()));
    assert_eq!(outcomes(found["entries"].as_array().unwrap()), expected);
    let in_stream = stream_of(&server);
    for (action, outcome) in &expected {
        let found = in_stream.iter();
        let found =
            found.filter(|entry| entry["action"] == *action && entry["outcome"] == *outcome);
        assert!(found.count() > 0, "{action} {outcome}");
    }
}

#[tokio::test]
async fn a_change_is_audited_though_its_client_has_gone() {
    let server = Server::start();
    let dashboard = Dashboard::start(&url(&server)).await;
    dashboard.until_up(1).await;
    let mut db = server.connect();
    db.run::<redis::Value>("RL.CHECK k 9 1h");
    db.run::<()>("CLIENT PAUSE 100000 WRITE");
    reset_and_leave(&format!("127.0.0.1:{}", dashboard.port()), &mut db).await;
    // A request on another connection is answered after the end of the first one is noticed.
    dashboard.until_up(1).await;
    db.run::<()>("CLIENT UNPAUSE");
    until("the change is audited", async || {
        entries(&dashboard).await.iter().any(|entry| entry["action"] == "reset")
    })
    .await;
    assert_eq!(db.units("k"), 0);
}

#[tokio::test]
async fn a_read_without_an_answer_changes_nothing() {
    let server = Server::start();
    let dashboard = Dashboard::start(&url(&server)).await;
    dashboard.until_up(1).await;
    server.connect().run::<()>("RL.POLICY SET p 1 1s");
    server.pause();
    for path in ["/keys/k", "/keys/k/hits", "/keys/k/what-if?limit=1&window=1h", "/policies"] {
        let reply = dashboard.api(Method::GET, path, None).await;
        assert_eq!((reply.status, &reply.json()["outcome"]), (503, &"failed".into()), "{path}");
    }
    // An import is recorded though the policies before it could not be read.
    let import = |path| dashboard.request(crate::support::User::Operator, Method::POST, path);
    let body = r#"{"policies":[{"name":"new","rules":[{"limit":1,"window":"1s"}]}]}"#;
    let reply = Reply::of(import("/api/v1/policies/import").body(body)).await;
    assert!(matches!(reply.status, 503 | 504), "{}", reply.text);
    let newest = entries(&dashboard).await.remove(0);
    assert_eq!(
        (&newest["before"], &newest["after"]),
        (&"not read".into(), &"new: 1/second".into())
    );
    // The digest of what the user saw is read first: without an answer to that, nothing is sent.
    let reply = Reply::of(import("/api/v1/policies/import?seen=x").body(body)).await;
    assert_eq!((reply.status, &reply.json()["outcome"]), (503, &"failed".into()));
    server.resume();
}

#[tokio::test]
async fn a_change_is_recorded_before_the_program_ends() {
    let server = Server::start();
    let mut program = Program::start(&url(&server), &["--operator-token", OPERATOR]);
    let link = program.after("Sign in once with this link: ").0;
    let (origin, _) = link.split_once("/login").unwrap();
    let mut db = server.connect();
    db.run::<redis::Value>("RL.CHECK k 9 1h");
    db.run::<()>("CLIENT PAUSE 400 WRITE");
    reset_and_leave(origin.strip_prefix("http://").unwrap(), &mut db).await;
    let lines = program.terminate_with_lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains(r#""action":"reset""#), "{lines:?}");
    assert_eq!(stream_of(&server).len(), 1);
}

/// The lines are more than a pipe holds.
#[tokio::test]
async fn a_reader_of_the_log_that_stops_does_not_stop_the_dashboard() {
    let server = Server::start();
    let mut program = Program::start(&url(&server), &["--operator-token", OPERATOR]);
    let link = program.after("Sign in once with this link: ").0;
    let (origin, _) = link.split_once("/login").unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let key = "k".repeat(4_000);
    for _ in 0..60 {
        let reset = http.post(format!("{origin}/api/v1/keys/{key}/reset")).bearer_auth(OPERATOR);
        let reset = reset.timeout(scaled_timeout(Duration::from_secs(60)));
        assert_eq!(Reply::of(reset).await.status, 200);
    }
    assert!(program.line()["target"].as_str().unwrap().starts_with("kk"));
    assert_eq!(stream_of(&server).len(), 60);
}

#[tokio::test]
async fn unstored_entries_are_shown_and_printed() {
    let mut server = Server::start();
    // Before there is a connection: a command that has been sent on one has an unknown outcome.
    server.stop(Stop::Kill);
    let mut program = Program::start(&url(&server), &["--operator-token", OPERATOR]);
    let link = program.after("Sign in once with this link: ").0;
    let (origin, _) = link.split_once("/login").unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let reset = http.post(format!("{origin}/api/v1/keys/k/reset")).bearer_auth(OPERATOR);
    assert_eq!(Reply::of(reset).await.status, 503);
    let line = program.line();
    assert_eq!((&line["outcome"], &line["before"]), (&"failed".into(), &"not read".into()));
    assert!(line["error"].as_str().unwrap().contains(&address(&server)), "{line}");
    let audit = Reply::of(http.get(format!("{origin}/api/v1/audit")).bearer_auth(OPERATOR)).await;
    let audit = audit.json();
    assert_eq!(audit["entries"].as_array().unwrap().len(), 1, "{audit}");
    assert!(audit["error"].is_string());
}

#[tokio::test]
async fn entries_of_other_forms_are_left_out() {
    let server = Server::start();
    let mut db = server.connect();
    db.run::<String>("XADD ratelog:audit * hello world");
    db.run::<String>(
        "XADD ratelog:audit * at_ms 1 action <b> target <script> user <i> outcome <u>",
    );
    let dashboard = Dashboard::start(&url(&server)).await;
    dashboard.until_up(1).await;
    assert_eq!(entries(&dashboard).await.len(), 1);
    dashboard.get("/audit").await.page().assert_has("<script>");
    db.run::<()>("SET ratelog:audit x");
    let audit = dashboard.json("/audit").await;
    assert!(audit["error"].as_str().unwrap().contains("WRONGTYPE"), "{audit}");
    dashboard.submit("/keys/k/reset", &[]).await.assert_has("0 units are forgotten.");
    assert_eq!(entries(&dashboard).await.len(), 1);
}
