//! Keys from the requests of axum.

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use axum::routing::{any, get};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use ratelog_client::tower::{RateLimitLayer, RouteLimits, key};
use tower::ServiceExt;

use super::memory;

fn limits(text: &str) -> RouteLimits {
    text.parse().unwrap()
}

fn request(method: Method, path: &str) -> Request<Body> {
    Request::builder().method(method).uri(path).body(Body::empty()).unwrap()
}

/// The units that remain after each request.
async fn remaining(app: &Router, paths: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    for path in paths {
        let response = app.clone().oneshot(request(Method::GET, path)).await.unwrap();
        let ratelimit = response.headers()["ratelimit"].to_str().unwrap().to_owned();
        all.push(ratelimit.split(';').nth(1).unwrap().to_owned());
    }
    all
}

fn app(layer: RateLimitLayer) -> Router {
    let users =
        Router::new().route("/{id}", get(|| async {})).route("/{id}/posts", get(|| async {}));
    let nested = Router::new().nest("/users", users.clone()).nest("/admins", users);
    Router::new().nest("/v1", nested).route("/", any(|| async {})).layer(layer)
}

#[tokio::test]
async fn a_route_is_one_counter_whatever_its_parameters() {
    let layer = RateLimitLayer::new(memory().await, limits("9/minute"), key::matched_path);
    let app = app(layer);
    let paths = ["/v1/users/7", "/v1/users/8", "/v1/users/%37", "/v1/users/7?q=1"];
    assert_eq!(remaining(&app, &paths).await, ["r=8", "r=7", "r=6", "r=5"]);
    // Other routes count for themselves, also under another prefix.
    assert_eq!(remaining(&app, &["/v1/users/7/posts", "/v1/admins/7"]).await, ["r=8", "r=8"]);
    // Paths that no route knows are one counter, so that nobody makes up new ones.
    assert_eq!(remaining(&app, &["/x", "/y", "/v1/users"]).await, ["r=8", "r=7", "r=6"]);
}

#[tokio::test]
async fn a_client_has_a_limit_for_each_route() {
    let by_client =
        key::per_matched_path(|request| request.uri.query().map(|query| query.as_bytes().to_vec()));
    let app = app(RateLimitLayer::new(memory().await, limits("9/minute"), by_client));
    let paths = ["/v1/users/7?ann", "/v1/users/8?ann", "/v1/users/7?bob", "/?ann"];
    assert_eq!(remaining(&app, &paths).await, ["r=8", "r=7", "r=8", "r=8"]);
    let exempt = app.oneshot(request(Method::GET, "/")).await.unwrap();
    assert!(!exempt.headers().contains_key("ratelimit"));
}

#[tokio::test]
async fn a_preflight_does_not_count_unless_it_shall() {
    let preflight = || {
        let builder = Request::builder().method(Method::OPTIONS).uri("/");
        let builder = builder.header("origin", "https://example.com");
        builder.header("access-control-request-method", "POST").body(Body::empty()).unwrap()
    };
    let layer = RateLimitLayer::new(memory().await, limits("9/minute"), |_| "everybody");
    let lenient = app(layer.clone());
    let response = lenient.clone().oneshot(preflight()).await.unwrap();
    assert!(!response.headers().contains_key("ratelimit"));
    // Another OPTIONS request is no preflight.
    let options = lenient.oneshot(request(Method::OPTIONS, "/")).await.unwrap();
    assert!(options.headers().contains_key("ratelimit"));
    let strict = app(layer.count_preflight(true));
    let response = strict.oneshot(preflight()).await.unwrap();
    assert!(response.headers()["ratelimit"].to_str().unwrap().contains("r=7"));
}

#[tokio::test]
async fn a_denial_can_have_any_body() {
    let layer = RateLimitLayer::new(memory().await, limits("0/minute"), |_| "everybody");
    let layer = layer.on_denied(|denial| {
        (StatusCode::TOO_MANY_REQUESTS, [("x-own", "1")], denial.problem()).into_response()
    });
    let response = app(layer).oneshot(request(Method::GET, "/")).await.unwrap();
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.headers()["x-own"], "1");
    assert!(response.headers().contains_key("ratelimit"));
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["status"], 429);
    assert_eq!(problem["violated-policies"], serde_json::json!(["0/minute"]));
}
