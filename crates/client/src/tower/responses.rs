//! The responses that the layer gives by itself.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use ratelog_client_core::http::problem;

use super::layer::Denial;
use crate::http::problem_json;

/// What a request that could not be checked is answered with; why is none of the client's business.
const UNCHECKED: &str = r#"{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"The request could not be checked against its limits"}"#;

/// The answer to a denial, but for the fields.
pub(super) fn denied(denial: &Denial<'_>) -> Response<Bytes> {
    let Some(mut response) = grpc(&denial.request.headers, "8", "the rate limit is exceeded")
    else {
        let body = problem(denial.limits, denial.decision.as_core()).into();
        return problem_json(StatusCode::TOO_MANY_REQUESTS, body);
    };
    // Clients of gRPC wait for this many milliseconds; they do not try again where it is negative.
    let wait = denial.decision.as_core().retry_after;
    let pushback = wait.map_or(HeaderValue::from_static("-1"), HeaderValue::from);
    response.headers_mut().insert("grpc-retry-pushback-ms", pushback);
    response
}

/// The answer to a request that could not be checked.
pub(super) fn unchecked(request: &HeaderMap) -> Response<Bytes> {
    grpc(request, "14", "the request could not be checked against its limits").unwrap_or_else(
        || problem_json(StatusCode::SERVICE_UNAVAILABLE, Bytes::from_static(UNCHECKED.as_bytes())),
    )
}

/// A response of gRPC that is its trailers alone, if the request is of gRPC: its clients read neither the status nor the
/// body of HTTP.
fn grpc(request: &HeaderMap, code: &'static str, message: &'static str) -> Option<Response<Bytes>> {
    let media_type = request.get(header::CONTENT_TYPE)?;
    let rest = media_type.as_bytes().strip_prefix(b"application/grpc")?;
    if !matches!(rest.first(), None | Some(b'+' | b'-' | b';')) {
        return None;
    }
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media_type.clone());
    headers.insert("grpc-status", HeaderValue::from_static(code));
    headers.insert("grpc-message", HeaderValue::from_static(message));
    Some(response)
}
