//! A decision in the types of the `http` crate: fields for any response, and a response 429.
//!
//! ```
//! use http::Response;
//! use ratelog_client::http::{HeaderFamily, NamedRules, add_fields, too_many_requests};
//! use ratelog_client::{Decision, Rules};
//!
//! fn answer(rules: &Rules, decision: &Decision) -> Response<String> {
//!     let limits = NamedRules::from(rules);
//!     if !decision.allowed() {
//!         return too_many_requests(HeaderFamily::Draft11, &limits, decision);
//!     }
//!     let mut response = Response::new("found it".to_owned());
//!     add_fields(response.headers_mut(), HeaderFamily::Draft11, &limits, decision);
//!     response
//! }
//! ```

use std::borrow::Cow;

use ::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use ratelog_client_core::http::{PROBLEM_JSON, fields, names, problem};

pub use ratelog_client_core::http::{HeaderFamily, NameError, NamedRules, UnknownHeaderFamily};

use crate::{Decision, Source};

/// Adds the fields that tell of the decision, and takes none away.
///
/// `RateLimit-Policy` and `RateLimit` are lists, so their items follow those that are there, of another layer or of
/// another service, say. `Retry-After`, and the three `X-RateLimit` fields together, are left as they are where there
/// are some. A decision that nobody came to ([`Source::Fallback`]) has no numbers to tell: of it, only `Retry-After` is
/// added.
pub fn add_fields(
    headers: &mut HeaderMap,
    family: HeaderFamily,
    limits: &NamedRules,
    decision: &Decision,
) {
    let counted =
        [names::X_RATELIMIT_LIMIT, names::X_RATELIMIT_REMAINING, names::X_RATELIMIT_RESET];
    let family = if decision.source() == Source::Fallback { HeaderFamily::None } else { family };
    let has_counts = counted.iter().any(|name| headers.contains_key(*name));
    let has_retry_after = headers.contains_key(header::RETRY_AFTER);
    for (name, value) in fields(family, limits, decision.as_core()) {
        let is_taken = (has_counts && counted.contains(&name))
            || (has_retry_after && name == names::RETRY_AFTER);
        if let (false, Some(value)) = (is_taken, header_value(value)) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
}

/// The response to a request that is denied: 429, with the fields, `Retry-After` and problem details.
///
/// The body is the JSON of [`problem`].
#[must_use]
pub fn too_many_requests(
    family: HeaderFamily,
    limits: &NamedRules,
    decision: &Decision,
) -> Response<String> {
    let mut response =
        problem_json(StatusCode::TOO_MANY_REQUESTS, problem(limits, decision.as_core()));
    add_fields(response.headers_mut(), family, limits, decision);
    response
}

pub(crate) fn problem_json<T>(status: StatusCode, body: T) -> Response<T> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let media_type = HeaderValue::from_static(PROBLEM_JSON);
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}

/// The value of a field, which is visible ASCII.
fn header_value(value: Cow<'_, str>) -> Option<HeaderValue> {
    match value {
        Cow::Borrowed(value) => HeaderValue::from_str(value).ok(),
        Cow::Owned(value) => HeaderValue::try_from(value).ok(),
    }
}

#[cfg(test)]
mod tests {
    use ::http::{HeaderMap, HeaderName, HeaderValue};
    use ratelog_core::{Limit, Rule, Rules, Window, wire};

    use super::{HeaderFamily, NamedRules, add_fields, too_many_requests};
    use crate::{Decision, Source};

    fn limits() -> NamedRules {
        let minute = Rule::new(Limit::new(100).unwrap(), Window::from_millis(60_000).unwrap());
        NamedRules::named(&Rules::one(minute), ["burst"]).unwrap()
    }

    fn denied(by: Source) -> Decision {
        Decision::new(wire::decode([0, 100, 0, 4_200, 59_000, 60_000]).unwrap(), by)
    }

    fn lines(headers: &HeaderMap) -> Vec<String> {
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}", value.to_str().unwrap())
        };
        headers.iter().map(line).collect()
    }

    #[test]
    fn fields_that_are_there_are_not_lost() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("ratelimit-policy", "\"upstream\";q=5;w=1"),
            ("ratelimit", "\"upstream\";r=4;t=1"),
            ("x-ratelimit-remaining", "4"),
            ("retry-after", "120"),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        add_fields(&mut headers, HeaderFamily::Both, &limits(), &denied(Source::Module));
        let mut lines = lines(&headers);
        lines.sort();
        assert_eq!(
            lines,
            [
                "ratelimit-policy: \"burst\";q=100;w=60",
                "ratelimit-policy: \"upstream\";q=5;w=1",
                "ratelimit: \"burst\";r=0;t=5",
                "ratelimit: \"upstream\";r=4;t=1",
                "retry-after: 120",
                "x-ratelimit-remaining: 4",
            ]
        );
    }

    #[test]
    fn numbers_that_nobody_counted_are_not_told() {
        let mut headers = HeaderMap::new();
        add_fields(&mut headers, HeaderFamily::Both, &limits(), &denied(Source::Fallback));
        assert_eq!(lines(&headers), ["retry-after: 5"]);
    }

    #[test]
    fn a_denial_is_a_429_with_problem_details() {
        let response =
            too_many_requests(HeaderFamily::XRateLimit, &limits(), &denied(Source::Module));
        assert_eq!(response.status(), 429);
        assert_eq!(
            lines(response.headers()),
            [
                "content-type: application/problem+json",
                "x-ratelimit-limit: 100",
                "x-ratelimit-remaining: 0",
                "x-ratelimit-reset: 5",
                "retry-after: 5",
            ]
        );
        let body: serde_json::Value = serde_json::from_str(response.body()).unwrap();
        assert_eq!(body["violated-policies"], serde_json::json!(["burst"]));
    }
}
