//! Live pages: their events, and what they cost the servers.

use ratelog_client::redis;
use ratelog_test_support::{Cluster, Server};
use reqwest::{Method, Response};
use serde_json::Value;

use crate::support::{Dashboard, Page, Reply, User, address, cluster_with_replicas, until, url};

/// The next event of a stream: its name and its data.
struct Events {
    response: Response,
    text: String,
}

impl Events {
    async fn open(dashboard: &Dashboard, page: &str) -> Self {
        let request = dashboard.request(User::Viewer, Method::GET, &format!("/live/{page}"));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{page}");
        Self { response, text: String::new() }
    }

    async fn next(&mut self) -> (String, String) {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| -> Vec<String> {
                    let lines = event.lines().filter_map(|line| line.strip_prefix(name));
                    lines.map(|line| line.trim_start().to_owned()).collect()
                };
                if event.starts_with(':') {
                    continue;
                }
                return (field("event:").concat(), field("data:").join("\n"));
            }
            let chunk = self.response.chunk().await.unwrap().expect("the events go on");
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

#[tokio::test]
async fn each_poll_sends_the_page_and_a_point() {
    let server = Server::start();
    let mut db = server.connect();
    let dashboard = Dashboard::start(&url(&server)).await;
    dashboard.until_up(1).await;
    for page in ["overview", "keys", "nodes"] {
        let mut events = Events::open(&dashboard, page).await;
        let (mut last, mut has_denied) = (0, false);
        for _ in 0..20 {
            db.run::<redis::Value>("RL.CHECK user:1 1 1h");
            let (name, html) = events.next().await;
            assert_eq!(name, "");
            Page::parse(&html);
            let (name, point) = events.next().await;
            assert_eq!(name, "point");
            let point: Value = serde_json::from_str(&point).unwrap();
            assert!(point.get("policies").is_none(), "{point}");
            let time = point["time"].as_u64().unwrap();
            assert!(time >= last);
            last = time;
            has_denied = point["denied"].as_f64().unwrap() > 0.0
                && (page == "nodes" || html.contains("user:1"));
            if has_denied {
                break;
            }
        }
        assert!(has_denied, "{page}");
    }
    let reply = dashboard.get("/live/audit").await;
    assert_eq!(reply.status, 404);
    assert_eq!(reply.json()["detail"], "there is no live page 'audit'");
    let anonymous = dashboard.request(User::Nobody, Method::GET, "/live/nodes");
    assert_eq!(Reply::of(anonymous).await.status, 401);
}

/// The commands that clients have sent to a server since it started, but for those that ask for the count.
fn commands(server: &Server) -> u64 {
    let info: String = server.connect().run("INFO commandstats");
    let lines = info.lines().filter_map(|line| line.strip_prefix("cmdstat_"));
    let of_polls =
        ["rl.stats:", "rl.top:", "info:", "cluster|slots:", "rl.policy|export:", "scan:"];
    let lines =
        lines.filter(|line| of_polls.iter().any(|name| line.to_lowercase().starts_with(name)));
    let counts = lines.map(|line| {
        let (_, calls) = line.split_once(":calls=").unwrap();
        calls.split_once(',').unwrap().0.parse::<u64>().unwrap()
    });
    counts.sum()
}

/// The number of polls is the number of points with another time.
async fn commands_in_polls(dashboard: &Dashboard, server: &Server, polls: u64) -> u64 {
    let mut events = Events::open(dashboard, "nodes").await;
    events.next().await;
    events.next().await;
    events.next().await;
    let before = commands(server);
    for _ in 0..polls {
        events.next().await;
        events.next().await;
    }
    // Each look is one `INFO` itself.
    commands(server) - before - 1
}

#[tokio::test]
async fn a_hundred_open_pages_are_one_poll() {
    let server = Server::start();
    let dashboard = Dashboard::start(&url(&server)).await;
    dashboard.until_up(1).await;
    let alone = commands_in_polls(&dashboard, &server, 6).await;
    let mut pages = Vec::new();
    for index in 0..100 {
        let page = ["overview", "keys", "nodes"][index % 3];
        let mut events = Events::open(&dashboard, page).await;
        events.next().await;
        pages.push(tokio::spawn(async move {
            loop {
                events.next().await;
            }
        }));
    }
    let together = commands_in_polls(&dashboard, &server, 6).await;
    for page in pages {
        page.abort();
    }
    for commands in [alone, together] {
        // A poll may have begun before the first count or after the last one.
        assert!((12..=3 * 7).contains(&commands), "{alone} {together}");
    }
}

#[tokio::test]
async fn each_node_of_a_cluster_gets_three_commands_a_poll() {
    let cluster = cluster_with_replicas(&[]);
    let dashboard = Dashboard::start(&format!("redis+cluster://{}", address(&cluster[0]))).await;
    dashboard.until_up(6).await;
    for place in [0, 4] {
        let commands = commands_in_polls(&dashboard, &cluster[place], 6).await;
        assert!((12..=3 * 7).contains(&commands), "{place}: {commands}");
    }
}

#[tokio::test]
async fn every_one_of_many_policies_has_a_rate() {
    let server = Server::start();
    let mut db = server.connect();
    for index in 0..130 {
        db.run::<()>(&format!("RL.POLICY SET p{index} 1000000 1h"));
    }
    let dashboard = Dashboard::start(&url(&server)).await;
    dashboard.until_up(1).await;
    until("all policies have a rate", async || {
        for index in 0..130 {
            db.run::<redis::Value>(&format!("RL.CHECK k POLICY p{index}"));
        }
        let overview = dashboard.json("/overview").await;
        let policies = overview["policies"].as_array().unwrap();
        let has_rate = |policy: &Value| policy["rates"]["allowed"].as_f64() > Some(0.0);
        policies.len() == 130 && policies.iter().all(has_rate)
    })
    .await;
}

/// The calls of `RL.POLICY EXPORT` since a server started.
fn exports(server: &Server) -> u64 {
    let info: String = server.connect().run("INFO commandstats");
    let lines = info.lines().map(str::to_lowercase);
    let calls = lines.filter_map(|line| {
        let (_, calls) = line.strip_prefix("cmdstat_rl.policy|export:")?.split_once("calls=")?;
        calls.split_once(',')?.0.parse::<u64>().ok()
    });
    calls.sum()
}

#[tokio::test]
async fn different_policies_are_read_once_and_each_node_has_its_own_rules() {
    let cluster = Cluster::start(2, 0);
    cluster[0].connect().run::<()>("RL.POLICY SET gold 2 1h");
    until("both nodes have the policy", async || {
        cluster[1].connect().run::<String>("RL.POLICY EXPORT").contains("gold")
    })
    .await;
    let mut checks = [0, 1].map(|place| {
        let key = (0..1_000).map(|n| format!("k{n}")).find(|key| cluster.primary_of(key) == place);
        let (key, mut db) = (key.unwrap(), cluster[place].connect());
        move || {
            for _ in 0..8 {
                db.run::<redis::Value>(&format!("RL.CHECK {key} POLICY gold"));
            }
        }
    });
    checks[1]();
    // A node whose writes are paused does not take the change.
    cluster[1].connect().run::<()>("CLIENT PAUSE 600000 WRITE");
    cluster[0].connect().run::<()>("RL.POLICY SET gold 5 1h");
    checks[0]();
    let dashboard = Dashboard::start(&format!("redis+cluster://{}", address(&cluster[0]))).await;
    let rules = async || {
        let text = dashboard.get("/metrics").await.text;
        let lines = text.lines().filter(|line| line.starts_with("ratelog_denied_by_rule_total{"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let labelled = |place: usize, rule: &str, count: u64| {
        let node = address(&cluster[place]);
        let labels = format!("node=\"{node}\",policy=\"gold\",rule=\"{rule}\"");
        format!("ratelog_denied_by_rule_total{{{labels}}} {count}")
    };
    let mut expected = vec![labelled(0, "5/3600s", 3), labelled(1, "2/3600s", 6)];
    expected.sort();
    until("both nodes' rules are known", async || {
        let mut found = rules().await;
        found.sort();
        found == expected
    })
    .await;
    let before = exports(&cluster[0]) + exports(&cluster[1]);
    let mut events = Events::open(&dashboard, "overview").await;
    for _ in 0..6 {
        let (_, html) = events.next().await;
        let page = Page::parse(&html);
        page.assert_has("5/hour: 3");
        page.assert_has("2/hour: 6");
        events.next().await;
        let mut found = rules().await;
        found.sort();
        assert_eq!(found, expected);
    }
    assert_eq!(exports(&cluster[0]) + exports(&cluster[1]), before);
}
