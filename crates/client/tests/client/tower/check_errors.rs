//! Requests that cannot be checked.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Request;
use http::request::Parts;
use ratelog_client::limiter::{Builder, Fallback};
use ratelog_client::tower::{CheckError, OnFailure, RateLimitLayer, RouteLimits, key};
use ratelog_client::{PolicyName, RateLimiter};
use tokio::net::TcpListener;

use super::{answer, get, limited, memory};

async fn unknown_policy() -> RateLimitLayer {
    let policy = PolicyName::parse(b"serach").unwrap();
    RateLimitLayer::new(memory().await, policy, |_| "everybody")
}

/// A limiter of a server that accepts connections and never answers.
async fn hanging(fallback: Fallback) -> (TcpListener, RateLimiter) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let builder = Builder::new(&format!("redis://{}", listener.local_addr().unwrap())).unwrap();
    let builder = builder.connect_timeout(Duration::from_millis(20)).fallback(fallback);
    (listener, builder.build().await.unwrap())
}

#[tokio::test]
async fn a_mistake_is_noticed_at_once_and_its_text_stays_here() {
    let service = limited(&unknown_policy().await);
    let (status, headers, body) = answer(&service, get("/")).await;
    assert_eq!(status, 503);
    assert!(!headers.contains_key("x-served"));
    assert_eq!(headers["content-type"], "application/problem+json");
    let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        problem,
        serde_json::json!({
            "type": "about:blank",
            "title": "Service Unavailable",
            "status": 503,
            "detail": "The request could not be checked against its limits",
        })
    );

    let call = Request::post("/").header("content-type", "application/grpc").body("").unwrap();
    let (status, headers, _) = answer(&service, call).await;
    assert_eq!(status, 200);
    assert_eq!(headers["grpc-status"], "14");
}

#[tokio::test]
async fn an_address_that_nobody_passes_on_is_noticed_at_once() {
    let by_address = key::peer(|_: &Parts| None::<IpAddr>);
    let route: RouteLimits = "1/minute".parse().unwrap();
    let layer = RateLimitLayer::new(memory().await, route, by_address);
    assert_eq!(answer(&limited(&layer), get("/")).await.0, 503);

    let layer = layer.on_failure(|_| OnFailure::Serve);
    assert_eq!(answer(&limited(&layer), get("/")).await.2, "unlimited");
}

#[tokio::test]
async fn what_becomes_of_a_failure_can_be_decided_and_logged() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let logged = Arc::clone(&log);
    let layer = unknown_policy().await.on_failure(move |failure| {
        logged.lock().unwrap().push(failure.to_string());
        OnFailure::Serve
    });
    let (status, headers, body) = answer(&limited(&layer), get("/")).await;
    assert_eq!((status.as_u16(), body.as_str()), (200, "unlimited"));
    assert!(!headers.contains_key("ratelimit"));
    assert_eq!(
        *log.lock().unwrap(),
        [
            "the request cannot be checked: NOPOLICY no policy named 'serach' is known in this process"
        ]
    );
}

#[tokio::test]
async fn a_server_that_is_away_costs_no_request() {
    // Under a policy that the limiter has not learnt yet, and with a fallback that has no answer.
    let policy = PolicyName::parse(b"search").unwrap();
    let rules: RouteLimits = "1/minute".parse().unwrap();
    for (fallback, route) in
        [(Fallback::default(), RouteLimits::from(policy)), (Fallback::Error, rules)]
    {
        let (_server, limiter) = hanging(fallback).await;
        let layer = RateLimitLayer::new(limiter, route, |_| "everybody");
        for _ in 0..2 {
            let (status, headers, body) = answer(&limited(&layer), get("/")).await;
            assert_eq!((status.as_u16(), body.as_str()), (200, "unlimited"), "{fallback:?}");
            assert!(!headers.contains_key("ratelimit"));
        }
        let refusing = layer.on_failure(|failure: &CheckError| {
            assert!(failure.is_unavailable());
            OnFailure::Refuse
        });
        assert_eq!(answer(&limited(&refusing), get("/")).await.0, 503);
    }
}

#[tokio::test]
async fn limits_hold_while_the_server_is_away() {
    let (_server, limiter) = hanging(Fallback::default()).await;
    let route: RouteLimits = "1/minute".parse().unwrap();
    let service = limited(&RateLimitLayer::new(limiter, route, |_| "everybody"));
    assert_eq!(answer(&service, get("/")).await.2, "0");
    assert_eq!(answer(&service, get("/")).await.0, 429);

    let (_server, limiter) = hanging(Fallback::Deny).await;
    let route: RouteLimits = "1/minute".parse().unwrap();
    let service = limited(&RateLimitLayer::new(limiter, route, |_| "everybody"));
    let (status, headers, _) = answer(&service, get("/")).await;
    assert_eq!(status, 429);
    assert!(headers.contains_key("retry-after"));
    assert!(!headers.contains_key("ratelimit"), "nobody has counted");
}
