//! Requests that cannot be checked.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Request;
use http::request::Parts;
use ratelog_client::limiter::{Builder, Fallback};
use ratelog_client::tower::{CheckError, OnCheckError, RateLimitLayer, RouteLimits, key};
use ratelog_client::{PolicyName, RateLimiter};
use ratelog_test_support::Server;
use tokio::net::TcpListener;

use super::{get, limited, memory, send};
use crate::log::Log;
use crate::support::{fast_probes, url};

/// A layer with an unknown policy, whose limiter has no fallback.
async fn unknown_policy() -> RateLimitLayer {
    let policy = PolicyName::parse(b"serach").unwrap();
    let builder = Builder::new("memory://").unwrap().fallback(Fallback::Error);
    RateLimitLayer::new(builder.build().await.unwrap(), policy, |_| "everybody")
}

/// A limiter whose server accepts connections and never answers.
async fn hanging(fallback: Fallback) -> (TcpListener, RateLimiter) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let builder = Builder::new(&format!("redis://{}", listener.local_addr().unwrap())).unwrap();
    let builder = builder.connect_timeout(Duration::from_millis(20)).fallback(fallback);
    (listener, builder.build().await.unwrap())
}

#[tokio::test]
async fn a_mistake_is_rejected_without_its_text() {
    let service = limited(&unknown_policy().await);
    let (status, headers, body) = send(&service, get("/")).await;
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
    let (status, headers, _) = send(&service, call).await;
    assert_eq!(status, 200);
    assert_eq!(headers["grpc-status"], "14");
}

#[tokio::test]
async fn a_check_that_the_server_rejects_is_decided_by_the_fallback_and_logged_once() {
    let server = Server::start();
    let limiter = fast_probes(&url(&server)).build().await.unwrap();
    let (log, _guard) = Log::capture();
    let bound: RouteLimits = "1000001/minute".parse().unwrap();
    let layer = RateLimitLayer::new(limiter.clone(), bound, |_| "everybody");
    for left in [1_000_000, 999_999] {
        let (status, _, body) = send(&limited(&layer), get("/")).await;
        assert_eq!((status.as_u16(), body), (200, left.to_string()));
    }
    assert_eq!(log.take_events(), ["check_rejected"]);
    // Another limit of the same request is decided by the server.
    let layer = layer.and("1/minute".parse::<RouteLimits>().unwrap(), |_| "other");
    assert_eq!(send(&limited(&layer), get("/")).await.0, 200);
    assert_eq!(server.connect().units("other"), 1);
    assert_eq!(send(&limited(&layer), get("/")).await.0, 429);
    assert_eq!(log.take_events(), [""; 0]);
    // The denied request did not count.
    assert_eq!(limiter.health().unanswered, 0);
    assert_eq!(server.connect().units("other"), 1);
}

#[tokio::test]
async fn a_missing_address_is_rejected_and_logged_once() {
    let (log, _guard) = Log::capture();
    let by_address = key::peer(|_: &Parts| None::<IpAddr>);
    let limits: RouteLimits = "1/minute".parse().unwrap();
    let layer = RateLimitLayer::new(memory().await, limits, by_address);
    assert_eq!(send(&limited(&layer), get("/")).await.0, 503);
    assert_eq!(send(&limited(&layer), get("/")).await.0, 503);
    assert_eq!(log.take_events(), ["missing_key"]);

    let layer = layer.on_check_error(|_| OnCheckError::Serve);
    assert_eq!(send(&limited(&layer), get("/")).await.2, "unchecked");
}

#[tokio::test]
async fn the_application_can_log_and_serve() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let logged = Arc::clone(&log);
    let layer = unknown_policy().await.on_check_error(move |error| {
        logged.lock().unwrap().push(error.to_string());
        OnCheckError::Serve
    });
    let (status, headers, body) = send(&limited(&layer), get("/")).await;
    assert_eq!((status.as_u16(), body.as_str()), (200, "unchecked"));
    assert!(!headers.contains_key("ratelimit"));
    assert_eq!(
        *log.lock().unwrap(),
        [
            "the request cannot be checked: NOPOLICY no policy named 'serach' is known in this process"
        ]
    );
}

#[tokio::test]
async fn requests_are_served_while_the_server_is_unavailable_and_the_fallback_is_an_error() {
    let (_server, limiter) = hanging(Fallback::Error).await;
    let limits: RouteLimits = "1/minute".parse().unwrap();
    let layer = RateLimitLayer::new(limiter, limits, |_| "everybody");
    for _ in 0..2 {
        let (status, headers, body) = send(&limited(&layer), get("/")).await;
        assert_eq!((status.as_u16(), body.as_str()), (200, "unchecked"));
        assert!(!headers.contains_key("ratelimit"));
    }
    let rejecting = layer.on_check_error(|error: &CheckError| {
        assert!(error.is_unavailable());
        OnCheckError::Reject
    });
    assert_eq!(send(&limited(&rejecting), get("/")).await.0, 503);
}

#[tokio::test]
async fn requests_under_an_unknown_policy_are_served_while_the_server_is_unavailable() {
    let (_server, limiter) = hanging(Fallback::default()).await;
    let policy = PolicyName::parse(b"search").unwrap();
    let layer = RateLimitLayer::new(limiter, policy, |_| "everybody");
    let layer = layer.on_check_error(|_| OnCheckError::Reject);
    for _ in 0..2 {
        let (status, headers, _) = send(&limited(&layer), get("/")).await;
        assert_eq!(status, 200);
        assert!(!headers.contains_key("ratelimit"), "nothing was counted");
    }
}

#[tokio::test]
async fn limits_are_enforced_while_the_server_is_unavailable() {
    let (_server, limiter) = hanging(Fallback::default()).await;
    let limits: RouteLimits = "1/minute".parse().unwrap();
    let service = limited(&RateLimitLayer::new(limiter, limits, |_| "everybody"));
    assert_eq!(send(&service, get("/")).await.2, "0");
    assert_eq!(send(&service, get("/")).await.0, 429);

    let (_server, limiter) = hanging(Fallback::Deny).await;
    let limits: RouteLimits = "1/minute".parse().unwrap();
    let one = RateLimitLayer::new(limiter, limits, |_| "everybody");
    let policy = PolicyName::parse(b"search").unwrap();
    let two = one.clone().and(policy, |_| "everybody");
    for layer in [one, two] {
        let (status, headers, body) = send(&limited(&layer), get("/")).await;
        assert_eq!(status, 429);
        assert!(headers.contains_key("retry-after"));
        assert!(!headers.contains_key("ratelimit"), "nothing was counted");
        let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(problem["violated-policies"], serde_json::json!([]));
    }
}

#[tokio::test]
async fn a_limit_that_was_not_counted_has_no_counts_beside_one_that_was() {
    let (_server, limiter) = hanging(Fallback::default()).await;
    let limits: RouteLimits = "9/minute".parse().unwrap();
    let policy = PolicyName::parse(b"search").unwrap();
    let layer = RateLimitLayer::new(limiter, policy, |_| "everybody").and(limits, |_| "all");
    let (status, headers, _) = send(&limited(&layer), get("/")).await;
    assert_eq!(status, 200);
    assert_eq!(headers["ratelimit-policy"], "\"9/minute\";q=9;w=60");
    assert_eq!(headers["ratelimit"], "\"9/minute\";r=8;t=60");
}
