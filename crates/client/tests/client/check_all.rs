//! Checks of several keys: what is taken back, cached and sent.

use std::sync::Arc;

use http::{Request, Response};
use ratelog_client::command::Override;
use ratelog_client::limiter::Backend;
use ratelog_client::tower::{RateLimitLayer, RouteLimits};
use ratelog_client::{Check, Decision, PolicyName, RateLimiter, Rules, Source};
use ratelog_test_support::{Client, Cluster, Server, Stop};
use tokio::sync::Notify;
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{fast_probes, policy_name, until, url};

fn rules(text: &str) -> Rules {
    text.parse().unwrap()
}

/// How often the server ran a command.
fn calls(db: &mut Client, command: &str) -> i64 {
    let info: String = db.run("INFO commandstats");
    let line = info.lines().find_map(|line| {
        line.to_lowercase().strip_prefix(&format!("cmdstat_{command}:calls=")).map(str::to_owned)
    });
    line.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
}

/// A key with these units under a shadow policy of as many, and one with an override that allows everything.
async fn unrecording(server: &Server, limiter: &RateLimiter) -> PolicyName {
    server.connect().run::<()>("RL.POLICY SET shadow SHADOW 2 1m");
    let shadow = policy_name("shadow");
    for _ in 0..2 {
        assert!(limiter.check("shadow", &shadow).await.unwrap().allowed());
        assert!(limiter.check("vip", &rules("100/minute")).await.unwrap().allowed());
    }
    limiter.set_override("vip", &Override::ALLOW).await.unwrap();
    // Units of the same millisecond could be those of the check.
    let start = server.connect().now_ms();
    until("the next millisecond", async || server.connect().now_ms() > start + 1).await;
    shadow
}

#[tokio::test]
async fn units_that_a_check_has_not_recorded_are_not_taken_back() {
    let server = Server::start();
    let limiter = fast_probes(&url(&server)).build().await.unwrap();
    let shadow = unrecording(&server, &limiter).await;
    let (full, many) = (rules("1/minute; 5/hour"), rules("100/minute"));
    assert!(limiter.check("full", &full).await.unwrap().allowed());
    for _ in 0..3 {
        let checks = [
            ("shadow", Check::from(&shadow)),
            ("vip", Check::from(&many)),
            ("full", (&full).into()),
        ];
        assert!(!limiter.check_all(checks).await.unwrap().allowed());
    }
    assert_eq!(["shadow", "vip", "full"].map(|key| server.connect().units(key)), [2, 2, 1]);
}

#[tokio::test]
async fn responses_that_do_not_count_take_back_only_units_of_their_request() {
    let server = Server::start();
    let limiter = fast_probes(&url(&server)).build().await.unwrap();
    let shadow = unrecording(&server, &limiter).await;
    let layer = RateLimitLayer::new(limiter, shadow, |_| "shadow")
        .and("100/minute".parse::<RouteLimits>().unwrap(), |_| "vip")
        .and("100/minute".parse::<RouteLimits>().unwrap(), |_| "plain")
        .count_if(|response| response.status() == 401);
    let service = layer.layer(service_fn(async |request: Request<&'static str>| {
        if request.uri().path() == "/fail" {
            return Err("the service failed".to_owned());
        }
        Ok(Response::new(String::new()))
    }));
    for path in ["/", "/fail", "/"] {
        let _ = service.clone().oneshot(Request::get(path).body("").unwrap()).await;
    }
    until("the units are taken back", async || server.connect().units("plain") == 0).await;
    assert_eq!(["shadow", "vip"].map(|key| server.connect().units(key)), [2, 2]);
}

#[tokio::test]
async fn units_that_were_recorded_in_this_process_are_taken_back_here() {
    let mut server = Server::start();
    let limiter = fast_probes(&url(&server)).build().await.unwrap();
    let (entered, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let limits = "9/minute".parse::<RouteLimits>().unwrap();
    let layer = RateLimitLayer::new(limiter.clone(), limits, |_| "k").count_if(|_| false);
    let service = layer.layer(service_fn({
        let (entered, finish) = (Arc::clone(&entered), Arc::clone(&finish));
        move |_: Request<&'static str>| {
            let (entered, finish) = (Arc::clone(&entered), Arc::clone(&finish));
            async move {
                entered.notify_one();
                finish.notified().await;
                Response::builder().body(String::new())
            }
        }
    }));
    server.stop(Stop::NoSave);
    let nine = rules("9/minute");
    let local = async || limiter.check("other", &nine).await.unwrap().source() == Source::Local;
    until("the server is away", local).await;
    let request = tokio::spawn(service.oneshot(Request::get("/").body("").unwrap()));
    entered.notified().await;
    server.start_again();
    until("the server is back", async || {
        limiter.check("k", &nine).await.unwrap().source() == Source::Module
    })
    .await;
    finish.notify_one();
    assert_eq!(request.await.unwrap().unwrap().status(), 200);
    assert_eq!(server.connect().units("k"), 1);
}

#[tokio::test]
async fn a_caller_that_stops_to_wait_leaves_no_units() {
    let server = Server::start();
    let limiter = fast_probes(&url(&server)).build().await.unwrap();
    let (one, many) = (rules("1/hour; 5/day"), rules("1000/hour; 5000/day"));
    assert!(limiter.check("user", &one).await.unwrap().allowed());
    for _ in 0..100 {
        let (limiter, one, many) = (limiter.clone(), one.clone(), many.clone());
        let task = tokio::spawn(async move {
            limiter.check_all([("user", &one), ("all", &many)]).await.unwrap().allowed()
        });
        tokio::task::yield_now().await;
        task.abort();
        let _ = task.await;
    }
    // A check that is not aborted is answered after the others.
    assert!(!limiter.check_all([("user", &one), ("all", &many)]).await.unwrap().allowed());
    until("all units are taken back", async || server.connect().units("all") == 0).await;
}

#[tokio::test]
async fn a_denial_by_one_command_is_cached() {
    let server = Server::start();
    let mut db = server.connect();
    let limiter = fast_probes(&url(&server)).deny_cache(100).build().await.unwrap();
    let limits = |text: &str| text.parse::<RouteLimits>().unwrap();
    let layer = RateLimitLayer::new(limiter.clone(), limits("1/hour"), |_| "user")
        .and(limits("1000/hour"), |_| "all");
    let service = layer.layer(service_fn(async |_: Request<&'static str>| {
        Response::builder().body(String::new())
    }));
    let send = async || {
        let request = Request::get("/").body("").unwrap();
        service.clone().oneshot(request).await.unwrap().status().as_u16()
    };
    assert_eq!(send().await, 200);
    until("a denial is cached", async || {
        let before = calls(&mut db, "rl.mcheck");
        assert_eq!(send().await, 429);
        calls(&mut db, "rl.mcheck") == before
    })
    .await;
    let commands = ["rl.mcheck", "rl.check", "rl.refund"];
    let before = commands.map(|command| calls(&mut db, command));
    for _ in 0..20 {
        assert_eq!(send().await, 429);
    }
    // Without the layer, the other keys are only looked at.
    let (user, all) = (rules("1/hour"), rules("1000/hour"));
    let decisions = limiter.check_all([("user", &user), ("all", &all)]).await.unwrap();
    assert_eq!(
        decisions.iter().map(Decision::source).collect::<Vec<_>>(),
        [Source::DenyCache, Source::Module]
    );
    assert_eq!(commands.map(|command| calls(&mut db, command)), before);
    assert_eq!(db.units("all"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_a_slot_that_moves_are_checked_one_by_one() {
    let cluster = Cluster::start(3, 0);
    let url = format!("redis+cluster://127.0.0.1:{}", cluster[0].port());
    let limiter = fast_probes(&url).build().await.unwrap();
    let (from, slot) = (cluster.primary_of("foo"), cluster.slot_of("foo"));
    let to = (from + 1) % 3;
    let many = rules("1000000/minute");
    let names = (0..).map(|number| format!("k{number}"));
    let other = names
        .filter(|name| cluster.slot_of(name) != slot)
        .find(|name| cluster.primary_of(name) == from)
        .unwrap();
    assert!(limiter.check("{foo}1", &many).await.unwrap().allowed());
    let [source, target] = [from, to].map(|place| Cluster::id_of(&cluster[place]));
    cluster[to].connect().run::<()>(&format!("CLUSTER SETSLOT {slot} IMPORTING {source}"));
    cluster[from].connect().run::<()>(&format!("CLUSTER SETSLOT {slot} MIGRATING {target}"));
    // The server has one of the keys: it rejects a command for both with TRYAGAIN.
    for _ in 0..50 {
        let decisions = limiter.check_all([("{foo}1", &many), ("{foo}2", &many)]).await.unwrap();
        assert!(decisions.iter().all(|one| one.source() == Source::Module), "{decisions:?}");
        assert_eq!(limiter.check(&other, &many).await.unwrap().source(), Source::Module);
    }
    let health = limiter.health();
    assert_eq!((health.opened, health.unanswered), (0, 0), "{health:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_is_sent_to_the_shard_of_the_log() {
    let cluster = Cluster::start(3, 0);
    let url = format!("redis+cluster://127.0.0.1:{}", cluster[0].port());
    let limiter = fast_probes(&url).backend(Backend::Script).build().await.unwrap();
    let many = rules("1000000/minute");
    for number in 0..100 {
        let decision = limiter.check(format!("k{number}"), &many).await.unwrap();
        assert_eq!(decision.source(), Source::Script);
    }
    let errors: String =
        cluster.each_node().map(|node| node.connect().run::<String>("INFO errorstats")).collect();
    // Each node rejects a probe, whose key belongs to one of them.
    let moved = errors.lines().filter_map(|line| line.strip_prefix("errorstat_MOVED:count="));
    let moved: i64 = moved.map(|count| count.trim().parse::<i64>().unwrap()).sum();
    assert!(moved <= 3, "{errors}");
    assert!(limiter.check_all([("k1", &many), ("k2", &many)]).await.unwrap().allowed());
}
