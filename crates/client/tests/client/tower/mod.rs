//! The tower layer: around test services, in axum over a socket, and with a server.

mod all_limits;
mod axum;
mod check_errors;
mod grpc;
mod limits;
mod readiness;
mod served;

use std::convert::Infallible;
use std::future::{Ready, ready};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use ratelog_client::tower::{RateLimitLayer, RateLimitService, RouteLimits};
use ratelog_client::{Decision, RateLimiter};
use tower::util::ServiceFn;
use tower::{Layer, Service, ServiceExt, service_fn};

async fn memory() -> RateLimiter {
    RateLimiter::connect("memory://").await.unwrap()
}

/// A layer with one key for all requests.
async fn everybody(rules: &str) -> RateLimitLayer {
    RateLimitLayer::new(memory().await, rules.parse::<RouteLimits>().unwrap(), |_| "everybody")
}

type Remaining = fn(Request<&'static str>) -> Ready<Result<Response<Full<Bytes>>, Infallible>>;

/// The inner service. Its body is the remaining units of the decision, or `unchecked`.
fn remaining(request: Request<&'static str>) -> Ready<Result<Response<Full<Bytes>>, Infallible>> {
    let (head, _) = request.into_parts();
    let decision = head.extensions.get::<Decision>();
    let body = decision.map_or("unchecked".to_owned(), |decision| decision.remaining().to_string());
    ready(Ok(Response::builder().header("x-served", "yes").body(body.into()).unwrap()))
}

fn get(path: &str) -> Request<&'static str> {
    Request::get(path).body("").unwrap()
}

/// Status, headers and body of the response.
async fn send<S, B>(service: &S, request: Request<&'static str>) -> (StatusCode, HeaderMap, String)
where
    S: Service<Request<&'static str>, Response = Response<B>> + Clone,
    S::Error: std::fmt::Debug,
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let (head, body) = service.clone().oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, head.headers, String::from_utf8(body.to_vec()).unwrap())
}

/// The inner service with the layer around it.
fn limited(layer: &RateLimitLayer) -> RateLimitService<ServiceFn<Remaining>> {
    layer.layer(service_fn(remaining as Remaining))
}
