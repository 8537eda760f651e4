//! Keys, limits and the headers of responses.

use http::{HeaderName, Request, Response};
use ratelog_client::Cost;
use ratelog_client::http::{HeaderFamily, NamedRules};
use ratelog_client::tower::{RateLimitLayer, RouteLimits, key};

use super::{everybody, get, limited, memory, send};

/// The seconds in a header, in a window of a minute that has just begun.
fn seconds(headers: &http::HeaderMap, name: &str) -> u64 {
    let seconds = headers[name].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{name} is {seconds}");
    seconds
}

#[tokio::test]
async fn a_denied_request_does_not_reach_the_service() {
    let service = limited(&everybody("1/minute").await);

    let (status, headers, body) = send(&service, get("/")).await;
    assert_eq!((status.as_u16(), body.as_str()), (200, "0"));
    assert_eq!(headers["x-served"], "yes");
    assert_eq!(headers["ratelimit-policy"], "\"1/minute\";q=1;w=60");
    assert_eq!(headers["ratelimit"], "\"1/minute\";r=0;t=60");
    assert!(!headers.contains_key("retry-after"));

    let (status, headers, body) = send(&service, get("/")).await;
    assert_eq!(status, 429);
    assert!(!headers.contains_key("x-served"));
    assert_eq!(headers["content-type"], "application/problem+json");
    assert_eq!(headers["ratelimit-policy"], "\"1/minute\";q=1;w=60");
    let wait = seconds(&headers, "retry-after");
    assert_eq!(headers["ratelimit"], format!("\"1/minute\";r=0;t={wait}"));
    let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(problem["status"], 429);
    assert_eq!(problem["violated-policies"], serde_json::json!(["1/minute"]));
}

#[tokio::test]
async fn a_limit_of_zero_denies_every_request_without_retry_after() {
    let service = limited(&everybody("0/minute; 5/week").await);
    for _ in 0..2 {
        let (status, headers, body) = send(&service, get("/")).await;
        assert_eq!(status, 429);
        let policy = "\"0/minute\";q=0;w=60, \"5/week\";q=5;w=604800";
        assert_eq!(headers["ratelimit-policy"], policy);
        assert_eq!(headers["ratelimit"], "\"0/minute\";r=0;t=60");
        assert!(!headers.contains_key("retry-after"));
        let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(problem["retry_after_ms"], serde_json::Value::Null);
    }
}

#[tokio::test]
async fn a_request_without_a_key_or_limits_is_exempt() {
    let limits = |request: &http::request::Parts| match request.uri.path() {
        "/health" => None,
        _ => Some("1/minute".parse::<RouteLimits>().unwrap()),
    };
    let by_user = |request: &http::request::Parts| {
        request.headers.get("x-user").map(|user| user.as_bytes().to_vec())
    };
    let service = limited(&RateLimitLayer::by_route(memory().await, limits, by_user));
    let of_user = |path| Request::get(path).header("x-user", "7").body("").unwrap();
    for _ in 0..2 {
        for request in [get("/"), get("/health"), of_user("/health")] {
            let (_, headers, body) = send(&service, request).await;
            assert_eq!(body, "unchecked");
            assert!(!headers.contains_key("ratelimit"));
        }
    }
    assert_eq!(send(&service, of_user("/")).await.0, 200);
    assert_eq!(send(&service, of_user("/")).await.0, 429);
}

#[tokio::test]
async fn prefixes_separate_counts_and_costs_apply() {
    let ten: RouteLimits = "10/minute".parse().unwrap();
    let limits = move |request: &http::request::Parts| {
        let limits = ten.clone().key_prefix(request.uri.path());
        let cost = request.headers.get("x-cost").map_or("1", |cost| cost.to_str().unwrap());
        Some(limits.cost(Cost::new(cost.parse().unwrap()).unwrap()))
    };
    let service = limited(&RateLimitLayer::by_route(memory().await, limits, |_| "everybody"));
    let costing = |path, cost| Request::get(path).header("x-cost", cost).body("").unwrap();
    assert_eq!(send(&service, costing("/a", "7")).await.2, "3");
    assert_eq!(send(&service, costing("/a", "4")).await.0, 429);
    assert_eq!(send(&service, get("/a")).await.2, "2");
    assert_eq!(send(&service, get("/b")).await.2, "9");

    let (status, headers, _) = send(&service, costing("/b", "11")).await;
    assert_eq!(status, 429);
    assert!(!headers.contains_key("retry-after"), "it can never be allowed");
}

#[tokio::test]
async fn a_header_and_an_address_with_the_same_text_are_different_keys() {
    let peer = |_: &http::request::Parts| Some("192.0.2.1".parse().unwrap());
    let api_key = HeaderName::from_static("x-api-key");
    let by_api_key = key::header(api_key, key::peer(peer));
    let limits: RouteLimits = "1/minute".parse().unwrap();
    let service = limited(&RateLimitLayer::new(memory().await, limits, by_api_key));
    let of = |key| Request::get("/").header("x-api-key", key).body("").unwrap();
    for request in [get("/"), of("192.0.2.1"), of("ip:192.0.2.1"), of("")] {
        assert_eq!(send(&service, request).await.0, 200);
    }
    for request in [get("/"), of("192.0.2.1"), of("ip:192.0.2.1"), of("")] {
        assert_eq!(send(&service, request).await.0, 429);
    }
}

#[tokio::test]
async fn the_header_family_and_the_names_can_be_set() {
    let rules: ratelog_client::Rules = "5/second; 100/day".parse().unwrap();
    let names = NamedRules::new(&rules, ["burst", "daily"]).unwrap();
    let limits = RouteLimits::from(rules).named_rules(names);
    let layer = RateLimitLayer::new(memory().await, limits, |_| "everybody");
    let (_, headers, _) = send(&limited(&layer.header_family(HeaderFamily::Both)), get("/")).await;
    assert_eq!(headers["ratelimit-policy"], "\"burst\";q=5;w=1, \"daily\";q=100;w=86400");
    assert_eq!(headers["ratelimit"], "\"burst\";r=4;t=1");
    assert_eq!(headers["x-ratelimit-limit"], "5");
    assert_eq!(headers["x-ratelimit-remaining"], "4");
    assert_eq!(headers["x-ratelimit-reset"], "1");
}

#[tokio::test]
async fn a_custom_response_to_a_denial_gets_the_headers() {
    let layer = everybody("1/minute").await.on_denied(|denial| {
        let path = denial.request.uri.path();
        let response = Response::builder().status(503).header("retry-after", "90");
        response.body(format!("{path}: {} per window", denial.decision.limit())).unwrap()
    });
    let service = limited(&layer);
    send(&service, get("/search")).await;
    let (status, headers, body) = send(&service, get("/search")).await;
    assert_eq!((status.as_u16(), body.as_str()), (503, "/search: 1 per window"));
    assert!(headers["ratelimit"].to_str().unwrap().starts_with("\"1/minute\";r=0;t="));
    assert_eq!(headers["retry-after"], "90");
    assert_eq!(headers.get_all("retry-after").iter().count(), 1);
}

#[tokio::test]
async fn a_grpc_request_gets_a_grpc_response() {
    let service = limited(&everybody("1/minute").await);
    let of = |media_type| Request::post("/").header("content-type", media_type).body("").unwrap();
    send(&service, of("application/grpc")).await;
    for media_type in ["application/grpc", "application/grpc+proto", "application/grpc-web+proto"] {
        let (status, headers, body) = send(&service, of(media_type)).await;
        assert_eq!((status.as_u16(), body.as_str()), (200, ""));
        assert_eq!(headers["content-type"], media_type);
        assert_eq!(headers["grpc-status"], "8");
        assert_eq!(headers["grpc-message"], "the rate limit is exceeded");
        let pushback = headers["grpc-retry-pushback-ms"].to_str().unwrap();
        let wait = seconds(&headers, "retry-after");
        assert_eq!(pushback.parse::<u64>().unwrap().div_ceil(1_000), wait);
    }
    assert_eq!(send(&service, of("application/grpcish")).await.0, 429);
}

#[tokio::test]
async fn nested_layers_report_all_limits() {
    use tower::Layer;
    let inner = everybody("5/second").await.layer(tower::service_fn(super::remaining));
    let service = everybody("9/minute").await.layer(inner);
    let (_, headers, _) = send(&service, get("/")).await;
    let values: Vec<_> = headers.get_all("ratelimit").iter().collect();
    assert_eq!(values, ["\"5/second\";r=4;t=1", "\"9/minute\";r=8;t=60"]);
}
