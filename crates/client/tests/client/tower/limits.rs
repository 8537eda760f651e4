//! What requests are counted under and limited by, and what their responses tell.

use http::{HeaderName, Request, Response};
use ratelog_client::Cost;
use ratelog_client::http::{HeaderFamily, NamedRules};
use ratelog_client::tower::{RateLimitLayer, RouteLimits, key};

use super::{answer, everybody, get, limited, memory};

/// The seconds that a client is to wait, of a window of a minute that has just begun.
fn seconds(headers: &http::HeaderMap, name: &str) -> u64 {
    let seconds = headers[name].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{name} is {seconds}");
    seconds
}

#[tokio::test]
async fn a_denied_request_does_not_reach_the_service() {
    let service = limited(&everybody("1/minute").await);

    let (status, headers, body) = answer(&service, get("/")).await;
    assert_eq!((status.as_u16(), body.as_str()), (200, "0"));
    assert_eq!(headers["x-served"], "yes");
    assert_eq!(headers["ratelimit-policy"], "\"1/minute\";q=1;w=60");
    assert_eq!(headers["ratelimit"], "\"1/minute\";r=0;t=60");
    assert!(!headers.contains_key("retry-after"));

    let (status, headers, body) = answer(&service, get("/")).await;
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
async fn a_request_without_a_key_or_a_route_is_not_limited() {
    let route = |request: &http::request::Parts| match request.uri.path() {
        "/health" => None,
        _ => Some("1/minute".parse::<RouteLimits>().unwrap()),
    };
    let by_user = |request: &http::request::Parts| {
        request.headers.get("x-user").map(|user| user.as_bytes().to_vec())
    };
    let service = limited(&RateLimitLayer::by_route(memory().await, route, by_user));
    let of_user = |path| Request::get(path).header("x-user", "7").body("").unwrap();
    for _ in 0..2 {
        for request in [get("/"), get("/health"), of_user("/health")] {
            let (_, headers, body) = answer(&service, request).await;
            assert_eq!(body, "unlimited");
            assert!(!headers.contains_key("ratelimit"));
        }
    }
    assert_eq!(answer(&service, of_user("/")).await.0, 200);
    assert_eq!(answer(&service, of_user("/")).await.0, 429);
}

#[tokio::test]
async fn routes_with_prefixes_are_counted_apart_and_cost_what_they_say() {
    let limits: RouteLimits = "10/minute".parse().unwrap();
    let route = move |request: &http::request::Parts| {
        let limits = limits.clone().key_prefix(request.uri.path());
        let cost = request.headers.get("x-cost").map_or("1", |cost| cost.to_str().unwrap());
        Some(limits.cost(Cost::new(cost.parse().unwrap()).unwrap()))
    };
    let service = limited(&RateLimitLayer::by_route(memory().await, route, |_| "everybody"));
    let costing = |path, cost| Request::get(path).header("x-cost", cost).body("").unwrap();
    assert_eq!(answer(&service, costing("/a", "7")).await.2, "3");
    assert_eq!(answer(&service, costing("/a", "4")).await.0, 429);
    assert_eq!(answer(&service, get("/a")).await.2, "2");
    assert_eq!(answer(&service, get("/b")).await.2, "9");

    let (status, headers, _) = answer(&service, costing("/b", "11")).await;
    assert_eq!(status, 429);
    assert!(!headers.contains_key("retry-after"), "this can never pass");
}

#[tokio::test]
async fn a_header_is_counted_apart_from_an_address_of_the_same_text() {
    let peer = |_: &http::request::Parts| Some("192.0.2.1".parse().unwrap());
    let api_key = HeaderName::from_static("x-api-key");
    let by_api_key = key::header(api_key, key::peer(peer));
    let route: RouteLimits = "1/minute".parse().unwrap();
    let service = limited(&RateLimitLayer::new(memory().await, route, by_api_key));
    let of = |key| Request::get("/").header("x-api-key", key).body("").unwrap();
    for request in [get("/"), of("192.0.2.1"), of("ip:192.0.2.1"), of("")] {
        assert_eq!(answer(&service, request).await.0, 200);
    }
    for request in [get("/"), of("192.0.2.1"), of("ip:192.0.2.1"), of("")] {
        assert_eq!(answer(&service, request).await.0, 429);
    }
}

#[tokio::test]
async fn fields_are_of_the_family_and_the_names_that_were_set() {
    let rules: ratelog_client::Rules = "5/second; 100/day".parse().unwrap();
    let limits = NamedRules::named(&rules, ["burst", "daily"]).unwrap();
    let route = RouteLimits::from(rules).limits(limits);
    let layer = RateLimitLayer::new(memory().await, route, |_| "everybody");
    let (_, headers, _) = answer(&limited(&layer.family(HeaderFamily::Both)), get("/")).await;
    assert_eq!(headers["ratelimit-policy"], "\"burst\";q=5;w=1, \"daily\";q=100;w=86400");
    assert_eq!(headers["ratelimit"], "\"burst\";r=4;t=1");
    assert_eq!(headers["x-ratelimit-limit"], "5");
    assert_eq!(headers["x-ratelimit-remaining"], "4");
    assert_eq!(headers["x-ratelimit-reset"], "1");
}

#[tokio::test]
async fn a_denial_can_be_answered_otherwise_and_keeps_its_fields() {
    let layer = everybody("1/minute").await.on_denied(|denial| {
        let path = denial.request.uri.path();
        let response = Response::builder().status(503).header("retry-after", "90");
        response.body(format!("{path}: {} per window", denial.decision.limit())).unwrap()
    });
    let service = limited(&layer);
    answer(&service, get("/search")).await;
    let (status, headers, body) = answer(&service, get("/search")).await;
    assert_eq!((status.as_u16(), body.as_str()), (503, "/search: 1 per window"));
    assert!(headers["ratelimit"].to_str().unwrap().starts_with("\"1/minute\";r=0;t="));
    assert_eq!(headers["retry-after"], "90");
    assert_eq!(headers.get_all("retry-after").iter().count(), 1);
}

#[tokio::test]
async fn grpc_is_answered_in_its_own_words() {
    let service = limited(&everybody("1/minute").await);
    let of = |media_type| Request::post("/").header("content-type", media_type).body("").unwrap();
    answer(&service, of("application/grpc")).await;
    for media_type in ["application/grpc", "application/grpc+proto", "application/grpc-web+proto"] {
        let (status, headers, body) = answer(&service, of(media_type)).await;
        assert_eq!((status.as_u16(), body.as_str()), (200, ""));
        assert_eq!(headers["content-type"], media_type);
        assert_eq!(headers["grpc-status"], "8");
        assert_eq!(headers["grpc-message"], "the rate limit is exceeded");
        let pushback = headers["grpc-retry-pushback-ms"].to_str().unwrap();
        let wait = seconds(&headers, "retry-after");
        assert_eq!(pushback.parse::<u64>().unwrap().div_ceil(1_000), wait);
    }
    assert_eq!(answer(&service, of("application/grpcish")).await.0, 429);
}

#[tokio::test]
async fn layers_within_each_other_tell_of_all_their_limits() {
    use tower::Layer;
    let inner = everybody("5/second").await.layer(tower::service_fn(super::remaining));
    let service = everybody("9/minute").await.layer(inner);
    let (_, headers, _) = answer(&service, get("/")).await;
    let told: Vec<_> = headers.get_all("ratelimit").iter().collect();
    assert_eq!(told, ["\"5/second\";r=4;t=1", "\"9/minute\";r=8;t=60"]);
}
