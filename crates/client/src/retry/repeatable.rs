use std::time::SystemTime;

use http::{HeaderMap, Method, StatusCode};

use super::{Hint, Repeat};

/// Whether a request may be sent again.
///
/// ```
/// use http::{HeaderMap, Method, StatusCode};
/// use ratelog_client::retry::{Repeat, Repeatable};
/// use std::time::SystemTime;
///
/// let post = Repeatable::of(&Method::POST, &HeaderMap::new());
/// let after = |status| post.after(status, &HeaderMap::new(), SystemTime::now());
/// assert_eq!(after(StatusCode::TOO_MANY_REQUESTS), Repeat::Backoff);
/// assert_eq!(after(StatusCode::SERVICE_UNAVAILABLE), Repeat::Never);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Repeatable {
    /// Never.
    No,
    /// Only where it was not executed, because it never arrived, or was answered with 429 (Too Many Requests). A
    /// limiter refuses before it lets anything happen, so that repeating such a request is as good as sending it
    /// later. Where a server answers 429 after it has begun to execute, its requests are [`Repeatable::No`].
    Unexecuted,
    /// Even where it may have been executed already.
    Yes,
}

impl Repeatable {
    /// Yes for methods that are idempotent (RFC 9110: GET, HEAD, OPTIONS, TRACE, PUT, DELETE) and requests with an
    /// `Idempotency-Key`; others as long as they were not executed.
    #[must_use]
    pub fn of(method: &Method, headers: &HeaderMap) -> Self {
        if method.is_idempotent() || headers.contains_key("idempotency-key") {
            Self::Yes
        } else {
            Self::Unexecuted
        }
    }

    /// Whether to repeat a request after an answer of `status` and `headers`, received at `now`.
    ///
    /// That is, for 429, and, if it may have been executed, for what usually passes: 408 (Request Timeout), 502 (Bad
    /// Gateway), 503 (Service Unavailable) and 504 (Gateway Timeout). It waits for as long as the answer tells:
    /// [`Hint::wait`].
    #[must_use]
    pub fn after(self, status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Repeat {
        let repeated = match status {
            StatusCode::TOO_MANY_REQUESTS => self != Self::No,
            StatusCode::REQUEST_TIMEOUT
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => self == Self::Yes,
            _ => false,
        };
        if !repeated {
            return Repeat::Never;
        }
        Hint::read(headers, now).wait().map_or(Repeat::Backoff, Repeat::After)
    }
}

#[cfg(test)]
mod tests {
    use super::Repeatable::{self, No, Unexecuted, Yes};
    use super::{HeaderMap, Method, Repeat, StatusCode, SystemTime};
    use http::HeaderValue;
    use std::time::Duration;

    #[test]
    fn a_request_that_acts_twice_if_sent_twice_is_not_repeatable() {
        let none = HeaderMap::new();
        for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"] {
            assert_eq!(Repeatable::of(&method.parse().unwrap(), &none), Yes, "{method}");
        }
        let key = HeaderMap::from_iter([(
            "idempotency-key".parse().unwrap(),
            HeaderValue::from_static("\"8e03978e\""),
        )]);
        for method in ["POST", "PATCH", "CONNECT", "get", "PURGE"] {
            let method: Method = method.parse().unwrap();
            assert_eq!(Repeatable::of(&method, &none), Unexecuted, "{method}");
            assert_eq!(Repeatable::of(&method, &key), Yes, "{method}");
        }
    }

    fn after(
        repeatable: Repeatable,
        status: u16,
        fields: &[(&'static str, &'static str)],
    ) -> Repeat {
        let fields = fields
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        let status = StatusCode::from_u16(status).unwrap();
        repeatable.after(status, &fields.collect(), SystemTime::now())
    }

    #[test]
    fn what_may_have_been_executed_is_repeated_only_if_it_may_be() {
        for status in [408, 502, 503, 504] {
            assert_eq!(after(Yes, status, &[]), Repeat::Backoff, "{status}");
            for repeatable in [No, Unexecuted] {
                let told = after(repeatable, status, &[("retry-after", "5")]);
                assert_eq!(told, Repeat::Never, "{status}");
            }
        }
        assert_eq!(after(Yes, 429, &[]), Repeat::Backoff);
        assert_eq!(after(Unexecuted, 429, &[]), Repeat::Backoff);
        assert_eq!(after(No, 429, &[]), Repeat::Never);
        for status in [200, 204, 301, 304, 400, 401, 403, 404, 409, 425, 500, 501] {
            assert_eq!(after(Yes, status, &[("retry-after", "5")]), Repeat::Never, "{status}");
        }
    }

    #[test]
    fn the_wait_is_the_one_that_the_answer_tells() {
        let told = |fields: &[_]| after(Unexecuted, 429, fields);
        let seconds = |seconds| Repeat::After(Duration::from_secs(seconds));
        let limit = ("ratelimit", r#""a";r=0;t=9"#);
        assert_eq!(told(&[limit]), seconds(9));
        assert_eq!(told(&[limit, ("retry-after", "5")]), seconds(5));
        assert_eq!(told(&[("retry-after", "soon")]), Repeat::Backoff);
    }
}
