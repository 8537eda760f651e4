//! Rate limit headers and 429 responses, in the types of the `http` crate.
//!
//! ```
//! use http::Response;
//! use ratelog_client::http::{HeaderFamily, NamedRules, add_headers, too_many_requests};
//! use ratelog_client::{Decision, Rules};
//!
//! fn respond(rules: &Rules, decision: &Decision) -> Response<String> {
//!     let rules = NamedRules::from(rules);
//!     if !decision.allowed() {
//!         return too_many_requests(HeaderFamily::Draft11, &rules, decision);
//!     }
//!     let mut response = Response::new("found it".to_owned());
//!     add_headers(response.headers_mut(), HeaderFamily::Draft11, &rules, decision);
//!     response
//! }
//! ```

use std::borrow::Cow;

use ::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use ratelog_client_core::Clock;
use ratelog_client_core::http::{Header, PROBLEM_JSON, headers, names, problem};

pub use ratelog_client_core::http::{HeaderFamily, NameError, NamedRules, UnknownHeaderFamily};

use crate::Decision;

/// Adds the headers that report the decision.
///
/// Headers that the response already has, for example from another layer, stay. `RateLimit-Policy` and `RateLimit` are
/// lists, so their items are appended. `Retry-After` is not added if the response has one, and the `X-RateLimit`
/// headers are not added if it has any of them. A decision with
/// [`Source::Fallback`](crate::Source::Fallback) counted nothing, so only
/// `Retry-After` is added for it.
pub fn add_headers(
    response: &mut HeaderMap,
    family: HeaderFamily,
    rules: &NamedRules,
    decision: &Decision,
) {
    let now = Clock::system_now();
    append(response, headers(family, rules, decision.as_core(), decision.source(), now));
}

/// Appends the headers of a decision to those that the response has.
pub(crate) fn append<'a>(response: &mut HeaderMap, headers: impl IntoIterator<Item = Header<'a>>) {
    let x_ratelimit =
        [names::X_RATELIMIT_LIMIT, names::X_RATELIMIT_REMAINING, names::X_RATELIMIT_RESET];
    let has_x_ratelimit = x_ratelimit.iter().any(|name| response.contains_key(*name));
    let has_retry_after = response.contains_key(header::RETRY_AFTER);
    for (name, value) in headers {
        let is_present = (has_x_ratelimit && x_ratelimit.contains(&name))
            || (has_retry_after && name == names::RETRY_AFTER);
        if let (false, Some(value)) = (is_present, header_value(value)) {
            response.append(HeaderName::from_static(name), value);
        }
    }
}

/// The response to a denied request: 429 with the headers, and problem details as its body (see [`problem`]).
#[must_use]
pub fn too_many_requests(
    family: HeaderFamily,
    rules: &NamedRules,
    decision: &Decision,
) -> Response<String> {
    let body = problem(rules, decision.as_core(), decision.source());
    let mut response = problem_json(StatusCode::TOO_MANY_REQUESTS, body);
    add_headers(response.headers_mut(), family, rules, decision);
    response
}

pub(crate) fn problem_json<T>(status: StatusCode, body: T) -> Response<T> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let media_type = HeaderValue::from_static(PROBLEM_JSON);
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}

/// Converts the value of a header, which is visible ASCII.
fn header_value(value: Cow<'_, str>) -> Option<HeaderValue> {
    match value {
        Cow::Borrowed(value) => HeaderValue::from_str(value).ok(),
        Cow::Owned(value) => HeaderValue::try_from(value).ok(),
    }
}

#[cfg(test)]
mod tests {
    use ::http::{HeaderMap, HeaderName, HeaderValue};
    use ratelog_client_core::Clock;
    use ratelog_core::{Limit, Rule, Rules, Window, wire};
    use std::time::SystemTime;

    use super::{HeaderFamily, NamedRules, add_headers, too_many_requests};
    use crate::{Decision, Source};

    fn named_rules() -> NamedRules {
        let minute = Rule::new(Limit::new(100), Window::from_millis(60_000).unwrap());
        NamedRules::new(&Rules::one(minute), ["burst"]).unwrap()
    }

    fn denied(source: Source) -> Decision {
        Decision::new(wire::decode([0, 100, 0, 4_200, 59_000, 60_000]).unwrap(), source)
    }

    fn lines(headers: &HeaderMap) -> Vec<String> {
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}", value.to_str().unwrap())
        };
        headers.iter().map(line).collect()
    }

    #[test]
    fn headers_that_the_response_has_are_kept() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("ratelimit-policy", "\"upstream\";q=5;w=1"),
            ("ratelimit", "\"upstream\";r=4;t=1"),
            ("x-ratelimit-remaining", "4"),
            ("retry-after", "120"),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        add_headers(&mut headers, HeaderFamily::Both, &named_rules(), &denied(Source::Module));
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
    fn a_fallback_decision_reports_no_counts() {
        let mut headers = HeaderMap::new();
        add_headers(&mut headers, HeaderFamily::Both, &named_rules(), &denied(Source::Fallback));
        assert_eq!(lines(&headers), ["retry-after: 5"]);
        let response =
            too_many_requests(HeaderFamily::Both, &named_rules(), &denied(Source::Fallback));
        let body: serde_json::Value = serde_json::from_str(response.body()).unwrap();
        assert_eq!(body["violated-policies"], serde_json::json!([]));
        assert_eq!(body["retry_after_ms"], 4_200);
    }

    #[test]
    fn a_reset_in_unix_time_is_after_the_clock() {
        let unix = || {
            let since = Clock::system_now().duration_since(SystemTime::UNIX_EPOCH);
            since.unwrap().as_secs()
        };
        let before = unix();
        let mut headers = HeaderMap::new();
        let family = HeaderFamily::XRateLimitEpoch;
        add_headers(&mut headers, family, &named_rules(), &denied(Source::Module));
        let reset: u64 = headers["x-ratelimit-reset"].to_str().unwrap().parse().unwrap();
        assert!((before + 4..=unix() + 6).contains(&reset), "{before} {reset}");
    }

    #[test]
    fn a_denial_is_a_429_with_problem_details() {
        let response =
            too_many_requests(HeaderFamily::XRateLimit, &named_rules(), &denied(Source::Module));
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
