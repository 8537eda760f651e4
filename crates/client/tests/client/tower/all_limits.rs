//! Several limits of one request.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use http::{HeaderMap, Request, Response};
use ratelog_client::limiter::BreakerState;
use ratelog_client::tower::{Key, RateLimitLayer, RequestChecks, RouteLimits};
use ratelog_client::{Check, Cost, Decision, RateLimiter, Rules, Source};
use ratelog_test_support::{Cluster, Server, Stop};
use tower::{Layer, service_fn};

use super::{get, limited, memory, send};
use crate::support::{fast_probes, until, until_state, url};

fn limits(text: &str) -> RouteLimits {
    text.parse().unwrap()
}

fn header(headers: &HeaderMap, name: &str) -> String {
    headers[name].to_str().unwrap().to_owned()
}

/// A limit for each value of a header, and one for all requests.
fn two(limiter: RateLimiter, user: &str, all: &str) -> RateLimitLayer {
    RateLimitLayer::new(limiter, limits(user), |request| {
        request.headers.get("x-user").map(|user| user.as_bytes().to_vec())
    })
    .and(limits(all), |_| "all")
}

fn of_user(user: &'static str) -> Request<&'static str> {
    Request::get("/").header("x-user", user).body("").unwrap()
}

async fn remaining(limiter: &RateLimiter, key: &str, rules: &str) -> u64 {
    limiter.peek(key, &rules.parse::<Rules>().unwrap()).await.unwrap().remaining()
}

#[tokio::test]
async fn a_request_counts_for_all_limits_or_for_none() {
    let server = Server::start();
    for (user, all) in [("4/minute", "6/minute"), ("4/minute; 90/hour", "6/minute")] {
        server.connect().run::<()>("FLUSHALL");
        let limiter = fast_probes(&url(&server)).build().await.unwrap();
        let service = limited(&two(limiter.clone(), user, all));
        for left in (0..4).rev() {
            let (status, _, body) = send(&service, of_user("ann")).await;
            assert_eq!((status.as_u16(), body), (200, left.to_string()));
        }
        let (status, headers, body) = send(&service, of_user("ann")).await;
        assert_eq!(status, 429);
        let ratelimit = header(&headers, "ratelimit");
        assert!(ratelimit.starts_with("\"4/minute\";r=0;t="), "{ratelimit}");
        assert!(ratelimit.contains("\"6/minute\";r=2;t="), "{ratelimit}");
        let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(problem["violated-policies"], serde_json::json!(["4/minute"]));
        assert_eq!(remaining(&limiter, "all", all).await, 2, "{user}");
        assert_eq!(send(&service, of_user("bob")).await.0, 200);
        assert_eq!(send(&service, of_user("bob")).await.0, 200);
        assert_eq!(send(&service, of_user("bob")).await.0, 429);
        assert_eq!(remaining(&limiter, "bob", user).await, 2, "{user}");
        // Without a user, only one limit applies.
        assert_eq!(send(&service, get("/")).await.0, 429);
    }
}

#[tokio::test]
async fn equal_limits_have_different_names() {
    let service = limited(&two(memory().await, "4/minute", "4/minute"));
    let (_, headers, _) = send(&service, of_user("ann")).await;
    let names = "\"4/minute\";q=4;w=60, \"2:4/minute\";q=4;w=60";
    assert_eq!(header(&headers, "ratelimit-policy"), names);
    let (_, headers, _) = send(&service, of_user("bob")).await;
    assert_eq!(header(&headers, "ratelimit"), "\"4/minute\";r=3;t=60, \"2:4/minute\";r=2;t=60");
}

#[tokio::test]
async fn an_asynchronous_function_returns_limits_and_keys() {
    let layer = RateLimitLayer::by_request(memory().await, |request| async move {
        tokio::task::yield_now().await;
        match request.uri.path() {
            "/free" => Vec::new(),
            "/missing" => vec![(limits("1/minute"), Key::Missing("no plan"))],
            _ => vec![
                (limits("2/minute"), Key::from("a")),
                (limits("9/minute"), Key::Exempt),
                (limits("5/minute"), Key::from("b")),
            ],
        }
    })
    .and(limits("7/minute"), |_| "c");
    let service = limited(&layer);
    assert_eq!(send(&service, get("/missing")).await.0, 503);
    let (_, headers, _) = send(&service, get("/free")).await;
    assert_eq!(header(&headers, "ratelimit"), "\"7/minute\";r=6;t=60");
    let (_, headers, _) = send(&service, get("/")).await;
    assert_eq!(
        header(&headers, "ratelimit"),
        "\"7/minute\";r=5;t=60, \"2/minute\";r=1;t=60, \"5/minute\";r=4;t=60"
    );
    assert_eq!(send(&service, get("/")).await.0, 200);
    assert_eq!(send(&service, get("/")).await.0, 429);
}

#[tokio::test]
async fn only_counted_responses_use_units() {
    let server = Server::start();
    let limiter = fast_probes(&url(&server)).build().await.unwrap();
    let layer = two(limiter, "2/minute", "9/minute");
    let layer = layer.count_if(|response| response.status() == 401);
    let service = layer.layer(service_fn(async |request: Request<&'static str>| {
        let status = if *request.body() == "right" { 200 } else { 401 };
        Response::builder().status(status).header("x-own", "1").body(String::new())
    }));
    let login = |password| Request::get("/").header("x-user", "ann").body(password).unwrap();
    for _ in 0..3 {
        let (status, headers, _) = send(&service, login("right")).await;
        assert_eq!((status.as_u16(), header(&headers, "x-own").as_str()), (200, "1"));
        let ratelimit = header(&headers, "ratelimit");
        assert!(ratelimit.starts_with("\"2/minute\";r=2;t="), "{ratelimit}");
        assert_eq!(server.connect().units("ann"), 0);
    }
    for (password, expected) in [("wrong", 401), ("right", 200), ("wrong", 401), ("right", 429)] {
        assert_eq!(send(&service, login(password)).await.0, expected);
    }
    assert_eq!(server.connect().units("all"), 2);
}

#[tokio::test]
async fn a_handler_can_refund_its_request_once() {
    let server = Server::start();
    let limiter = fast_probes(&url(&server)).build().await.unwrap();
    let refunded = Arc::new(AtomicU32::new(0));
    let sum = Arc::clone(&refunded);
    let service = two(limiter, "9/minute", "9/minute").layer(service_fn(
        move |request: Request<&'static str>| {
            let sum = Arc::clone(&sum);
            async move {
                let checks = request.extensions().get::<RequestChecks>().unwrap();
                let keys: Vec<_> = checks.keys().collect();
                assert_eq!(keys, [b"ann", b"all"]);
                assert!(checks.decisions().iter().all(|one| one.source() == Source::Module));
                for _ in 0..2 {
                    let units = u32::try_from(checks.refund().await.unwrap()).unwrap();
                    sum.fetch_add(units, Ordering::Relaxed);
                }
                Response::builder().body(String::new())
            }
        },
    ));
    assert_eq!(send(&service, of_user("ann")).await.0, 200);
    assert_eq!(refunded.load(Ordering::Relaxed), 2);
    assert_eq!((server.connect().units("ann"), server.connect().units("all")), (0, 0));
}

#[tokio::test]
async fn a_handler_refunds_its_request_in_all_layers() {
    let server = Server::start();
    let limiter = fast_probes(&url(&server)).build().await.unwrap();
    let handler = service_fn(async |request: Request<&'static str>| {
        let checks = request.extensions().get::<RequestChecks>().unwrap();
        assert_eq!(checks.refund().await.unwrap(), 3);
        assert_eq!(checks.refund().await.unwrap(), 0);
        Response::builder().body(String::new())
    });
    let rules: Rules = "9/minute".parse().unwrap();
    let outer = RateLimitLayer::new(limiter.clone(), rules, |_| "outer");
    let service = outer.layer(two(limiter, "9/minute", "9/minute").layer(handler));
    assert_eq!(send(&service, of_user("ann")).await.0, 200);
    for key in ["ann", "all", "outer"] {
        assert_eq!(server.connect().units(key), 0, "{key}");
    }
}

#[tokio::test]
async fn units_that_have_left_the_window_are_not_taken_back() {
    let limiter = memory().await;
    let other = limiter.clone();
    let handler = service_fn(move |request: Request<&'static str>| {
        let other = other.clone();
        async move {
            let rules: Rules = "2/20ms; 9/hour".parse().unwrap();
            until("the window is over", async || remaining(&other, "k", "2/20ms").await == 2).await;
            assert!(other.check("k", &rules).await?.allowed());
            let checks = request.extensions().get::<RequestChecks>().unwrap();
            // The newest unit is that of the other check.
            assert_eq!(checks.refund().await?, 0);
            assert_eq!(remaining(&other, "k", "9/hour").await, 8);
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(Response::new(String::new()))
        }
    });
    let service = RateLimitLayer::new(limiter, limits("2/20ms"), |_| "k").layer(handler);
    assert_eq!(send(&service, get("/")).await.0, 200);
}

#[tokio::test]
async fn units_that_the_server_recorded_are_not_taken_back_from_this_process() {
    let mut server = Server::start();
    let limiter = fast_probes(&url(&server)).build().await.unwrap();
    let checks = Arc::new(OnceLock::new());
    let given = Arc::clone(&checks);
    let handler = service_fn(move |request: Request<&'static str>| {
        given.set(request.extensions().get::<RequestChecks>().unwrap().clone()).unwrap();
        async { Response::builder().body(String::new()) }
    });
    let rules: Rules = "9/hour".parse().unwrap();
    let service = RateLimitLayer::new(limiter.clone(), rules.clone(), |_| "k").layer(handler);
    assert_eq!(send(&service, get("/")).await.0, 200);
    server.stop(Stop::Kill);
    until_state(&limiter, BreakerState::Open).await;
    assert_eq!(limiter.check("k", &rules).await.unwrap().source(), Source::Local);
    let error = checks.get().unwrap().refund().await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    assert_eq!(remaining(&limiter, "k", "9/hour").await, 8);
}

#[tokio::test]
async fn the_deny_cache_answers_for_several_limits() {
    let server = Server::start();
    let limiter = fast_probes(&url(&server)).deny_cache(100).build().await.unwrap();
    let service = limited(&two(limiter.clone(), "1/hour", "9/hour"));
    until("a cached denial answers", async || {
        send(&service, of_user("ann")).await;
        let rules: Rules = "1/hour".parse().unwrap();
        limiter.check("ann", &rules).await.unwrap().source() == Source::DenyCache
    })
    .await;
    let (status, headers, body) = send(&service, of_user("ann")).await;
    assert_eq!(status, 429);
    assert!(header(&headers, "ratelimit").starts_with("\"1/hour\";r=0;t="));
    let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(problem["violated-policies"], serde_json::json!(["1/hour"]));
    assert_eq!(server.connect().units("all"), 1);
}

#[tokio::test]
async fn a_limit_has_the_same_name_if_the_deny_cache_answers() {
    let server = Server::start();
    let limiter = fast_probes(&url(&server)).deny_cache(100).build().await.unwrap();
    let all = RateLimitLayer::new(limiter.clone(), limits("9/hour"), |_| "all");
    let layer = all.and(limits("9/hour").cost(Cost::try_from(9).unwrap()), |_| "expensive");
    let service = limited(&layer);
    assert_eq!(send(&service, get("/")).await.0, 200);
    let policy = "\"9/hour\";q=9;w=3600, \"2:9/hour\";q=9;w=3600";
    until("a cached denial answers", async || {
        let (status, headers, body) = send(&service, get("/")).await;
        assert_eq!(status, 429);
        assert_eq!(header(&headers, "ratelimit-policy"), policy);
        let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(problem["violated-policies"], serde_json::json!(["2:9/hour"]));
        header(&headers, "ratelimit").starts_with("\"2:9/hour\";r=0;t=")
    })
    .await;
}

#[tokio::test]
async fn checks_of_several_keys_are_all_recorded_or_none() {
    let cluster = Cluster::start(3, 0);
    let server = Server::start();
    let cluster_url = format!("redis+cluster://127.0.0.1:{}", cluster[0].port());
    let [many, few]: [Rules; 2] =
        ["100/hour; 9/minute", "3/minute"].map(|text| text.parse().unwrap());
    for url in ["memory://".to_owned(), url(&server), cluster_url] {
        let limiter = fast_probes(&url).build().await.unwrap();
        let three = Cost::try_from(3).unwrap();
        let checks = || {
            [
                ("a", Check::from(&many)),
                ("b", Check::from(&few).cost(three)),
                ("c", Check::from(&few)),
            ]
        };
        let decisions = limiter.check_all(checks()).await.unwrap();
        let left: Vec<_> = decisions.iter().map(Decision::remaining).collect();
        assert_eq!((decisions.allowed(), left), (true, vec![8, 0, 2]), "{url}");
        let decisions = limiter.check_all(checks()).await.unwrap();
        let left: Vec<_> = decisions.iter().map(Decision::remaining).collect();
        assert_eq!((decisions.allowed(), left), (false, vec![8, 0, 2]), "{url}");
        assert_eq!(remaining(&limiter, "a", "100/hour; 9/minute").await, 8, "{url}");
        assert_eq!(remaining(&limiter, "c", "3/minute").await, 2, "{url}");
        // One key in one slot: one command.
        let pair = [("{a}", Check::from(&few)), ("{a}2", Check::from(&few))];
        assert!(limiter.check_all(pair).await.unwrap().allowed());
        let none: [(&str, Check<'_>); 0] = [];
        assert!(limiter.check_all(none).await.unwrap().is_empty());
    }
}
