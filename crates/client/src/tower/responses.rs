//! The responses of the layer.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::{Empty, Full};

use super::body::{LayerBody, boxed};
use super::denial::Denial;
use crate::http::problem_json;

/// The body for a request that could not be checked. It does not say why, because that is no business of the client.
const UNCHECKED: &str = r#"{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"The request could not be checked against its limits"}"#;

/// The response to a denied request, without rate limit headers.
pub(super) fn denied(denial: &Denial<'_>) -> Response<LayerBody> {
    let decision = denial.decision.as_core();
    let Some(mut response) = grpc(&denial.request.headers, "8", "the rate limit is exceeded")
    else {
        let body = boxed(Full::from(denial.problem()));
        return problem_json(StatusCode::TOO_MANY_REQUESTS, body);
    };
    // A gRPC client waits for this many milliseconds. It does not retry if the value is negative.
    let pushback = decision.retry_after.map_or(HeaderValue::from_static("-1"), HeaderValue::from);
    response.headers_mut().insert("grpc-retry-pushback-ms", pushback);
    response
}

/// The response to a request that could not be checked.
pub(super) fn unchecked(request: &HeaderMap) -> Response<LayerBody> {
    grpc(request, "14", "the request could not be checked against its limits").unwrap_or_else(
        || problem_json(StatusCode::SERVICE_UNAVAILABLE, boxed(Full::from(UNCHECKED))),
    )
}

/// A gRPC response with trailers only, if the request is gRPC: its clients read neither the status nor the body of
/// HTTP.
fn grpc(
    request: &HeaderMap,
    code: &'static str,
    message: &'static str,
) -> Option<Response<LayerBody>> {
    let media_type = request.get(header::CONTENT_TYPE)?;
    let rest = media_type.as_bytes().strip_prefix(b"application/grpc")?;
    if !matches!(rest.first(), None | Some(b'+' | b'-' | b';')) {
        return None;
    }
    let mut response = Response::new(boxed(Empty::new()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media_type.clone());
    headers.insert("grpc-status", HeaderValue::from_static(code));
    headers.insert("grpc-message", HeaderValue::from_static(message));
    Some(response)
}
