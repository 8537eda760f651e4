//! The layer in axum over a socket, with a server.

use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpStream};

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use http::request::Parts;
use ratelog_client::tower::{RateLimitLayer, RouteLimits, TrustedProxies, key};
use ratelog_client::{PolicyName, RateLimiter};
use ratelog_test_support::{Server, Stop};
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;

use crate::support::{fast_probes, url};

fn peer(request: &Parts) -> Option<IpAddr> {
    request.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip())
}

/// Serves the layer around a route until the test ends.
async fn serve(layer: RateLimitLayer) -> SocketAddr {
    let app = Router::new().route("/", get(|| async { "served" })).layer(layer);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

/// The whole response to a request with these lines in its head.
async fn respond(address: SocketAddr, lines: &str) -> String {
    let head = format!("GET / HTTP/1.1\r\nhost: example.com\r\nconnection: close\r\n{lines}\r\n");
    let exchange = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        std::io::read_to_string(stream).unwrap()
    };
    spawn_blocking(exchange).await.unwrap()
}

async fn status(address: SocketAddr, lines: &str) -> String {
    let response = respond(address, lines).await;
    response.split(' ').nth(1).unwrap().to_owned()
}

async fn limiter(server: &Server) -> RateLimiter {
    fast_probes(&url(server)).build().await.unwrap()
}

#[tokio::test]
async fn a_client_behind_a_trusted_proxy_is_limited_by_its_own_address() {
    let limiter = RateLimiter::connect("memory://").await.unwrap();
    let limits: RouteLimits = "1/minute".parse().unwrap();
    let proxies = TrustedProxies::x_forwarded_for(["127.0.0.0/8"]).unwrap();
    let layer = RateLimitLayer::new(limiter.clone(), limits.clone(), key::client(proxies, peer));
    let address = serve(layer).await;
    for client in ["192.0.2.1", "192.0.2.2", "2001:db8::1"] {
        let headers = format!("x-forwarded-for: 203.0.113.1, {client}\r\n");
        assert_eq!(status(address, &headers).await, "200", "{client}");
        assert_eq!(status(address, &headers).await, "429", "{client}");
    }
    assert_eq!(
        status(address, "x-forwarded-for: 2001:db8::2\r\n").await,
        "429",
        "the same network"
    );

    // Without trusted proxies the client is the peer.
    let limits = limits.key_prefix("untrusting:");
    let address = serve(RateLimitLayer::new(limiter, limits, key::peer(peer))).await;
    assert_eq!(status(address, "x-forwarded-for: 192.0.2.1\r\n").await, "200");
    assert_eq!(status(address, "x-forwarded-for: 192.0.2.2\r\n").await, "429");
}

#[tokio::test]
async fn a_denied_request_gets_a_complete_response() {
    let limiter = RateLimiter::connect("memory://").await.unwrap();
    let limits: RouteLimits = "1/minute".parse().unwrap();
    let address = serve(RateLimitLayer::new(limiter, limits, |_| "everybody")).await;
    assert!(respond(address, "").await.ends_with("\r\n\r\nserved"));
    let response = respond(address, "").await;
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 429 Too Many Requests\r\n"), "{head}");
    assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
    assert!(body.contains("\"violated-policies\":[\"1/minute\"]"), "{body}");
}

#[tokio::test]
async fn an_override_is_reported_under_its_own_name() {
    let server = Server::start();
    let limits: RouteLimits = "5/minute".parse().unwrap();
    let layer = RateLimitLayer::new(limiter(&server).await, limits, |_| "everybody");
    let address = serve(layer).await;
    assert!(respond(address, "").await.contains("ratelimit: \"5/minute\";r=4;t=60\r\n"));
    server.connect().run::<()>("RL.OVERRIDE SET everybody LIMIT 2 1h");
    let response = respond(address, "").await;
    let policy = "ratelimit-policy: \"5/minute\";q=5;w=60, \"2/hour\";q=2;w=3600\r\n";
    assert!(response.contains(policy), "{response}");
    assert!(response.contains("ratelimit: \"2/hour\";r=0;t=3600\r\n"), "{response}");
    assert_eq!(status(address, "").await, "429");
    server.connect().run::<()>("RL.OVERRIDE SET everybody DENY");
    let response = respond(address, "").await;
    assert!(response.starts_with("HTTP/1.1 429"), "{response}");
    assert!(!response.contains("retry-after"), "the denial never ends: {response}");
}

#[tokio::test]
async fn a_policy_is_reported_and_without_it_the_fallback_decides() {
    let server = Server::start();
    server.connect().run::<()>("RL.POLICY SET api/search 9 1s 2 1m");
    let policy = PolicyName::parse(b"api/search").unwrap();
    let layer = RateLimitLayer::new(limiter(&server).await, policy, |_| "everybody");
    let address = serve(layer).await;
    let response = respond(address, "").await;
    assert!(
        response.contains("ratelimit-policy: \"api/search:2/minute\";q=2;w=60\r\n"),
        "{response}"
    );
    assert!(response.contains("ratelimit: \"api/search:2/minute\";r=1;t=60\r\n"), "{response}");
    server.connect().run::<()>("RL.POLICY DEL api/search");
    // By the last known rules, if they were fetched already.
    assert_eq!(status(address, "").await, "200");
    assert_eq!(server.connect().units("everybody"), 1);
    server.connect().run::<()>("RL.POLICY SET api/search 1 1m");
    assert_eq!(status(address, "").await, "429");
}

#[tokio::test]
async fn limits_are_enforced_after_the_server_died() {
    let mut server = Server::start();
    let limits: RouteLimits = "2/minute".parse().unwrap();
    let by_header = key::header(http::HeaderName::from_static("x-user"), |_: &Parts| "nobody");
    let address = serve(RateLimitLayer::new(limiter(&server).await, limits, by_header)).await;
    assert_eq!(status(address, "x-user: 1\r\n").await, "200");
    server.stop(Stop::Kill);
    for expected in ["200", "200", "429"] {
        assert_eq!(status(address, "x-user: 1\r\n").await, expected, "the log starts empty");
    }
    assert_eq!(status(address, "x-user: 2\r\n").await, "200");
}
