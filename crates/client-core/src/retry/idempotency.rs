use std::time::SystemTime;

use super::{RetryAction, RetryHint};

/// Whether a request may be sent again.
///
/// ```
/// use ratelog_client_core::retry::{RetryAction, Idempotency};
/// use std::time::{Duration, SystemTime};
///
/// let post = Idempotency::of("POST", [("content-type", "text/plain")]);
/// let after = |status: u16| post.after(status, [("retry-after", "5")], SystemTime::now());
/// assert_eq!(after(429), RetryAction::After(Duration::from_secs(5)));
/// assert_eq!(after(503), RetryAction::Stop);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Idempotency {
    /// Never.
    Never,
    /// Only where it was not executed, because it never arrived, or was answered with 429 (Too Many Requests). A
    /// limiter refuses before it lets anything happen, so that repeating such a request is as good as sending it
    /// later. Where a server answers 429 after it has begun to execute, its requests are [`Idempotency::Never`].
    NonIdempotent,
    /// Even where it may have been executed already.
    Idempotent,
}

impl Idempotency {
    /// Idempotent for methods that are idempotent (RFC 9110: GET, HEAD, OPTIONS, TRACE, PUT, DELETE) and requests with an
    /// `Idempotency-Key`; others as long as they were not executed.
    ///
    /// A `Method` and a `HeaderMap` of the crate `http` can be passed as they are.
    #[must_use]
    pub fn of<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        method: impl AsRef<str>,
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let is_idempotent =
            matches!(method.as_ref(), "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE");
        let is_key = |name: &[u8]| name.eq_ignore_ascii_case(b"idempotency-key");
        if is_idempotent || headers.into_iter().any(|(name, _)| is_key(name.as_ref())) {
            Self::Idempotent
        } else {
            Self::NonIdempotent
        }
    }

    /// Whether to repeat a request after an answer of `status` and `headers`, received at `now`.
    ///
    /// That is, for 429, and, if it may have been executed, for what usually passes: 408 (Request Timeout), 502 (Bad
    /// Gateway), 503 (Service Unavailable) and 504 (Gateway Timeout). It waits for as long as the answer tells:
    /// [`RetryHint::wait`].
    #[must_use]
    pub fn after<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        self,
        status: impl Into<u16>,
        headers: impl IntoIterator<Item = (N, V)>,
        now: SystemTime,
    ) -> RetryAction {
        let repeated = match status.into() {
            429 => self != Self::Never,
            408 | 502 | 503 | 504 => self == Self::Idempotent,
            _ => false,
        };
        if !repeated {
            return RetryAction::Stop;
        }
        RetryHint::read(headers, now).wait().map_or(RetryAction::Backoff, RetryAction::After)
    }

    /// Whether to repeat a request that got no answer; `connected` says that there was a connection, so that it may have
    /// arrived and been executed.
    #[must_use]
    pub fn after_error(self, connected: bool) -> RetryAction {
        let repeated = if connected { self == Self::Idempotent } else { self != Self::Never };
        if repeated { RetryAction::Backoff } else { RetryAction::Stop }
    }
}

#[cfg(test)]
mod tests {
    use super::Idempotency::{self, Idempotent, Never, NonIdempotent};
    use super::{RetryAction, SystemTime};
    use std::time::Duration;

    #[test]
    fn a_request_that_acts_twice_if_sent_twice_is_not_repeatable() {
        let none: [(&str, &str); 0] = [];
        for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"] {
            assert_eq!(Idempotency::of(method, none), Idempotent, "{method}");
        }
        let key = [("accept", "*/*"), ("Idempotency-Key", "\"8e03978e\"")];
        for method in ["POST", "PATCH", "CONNECT", "get", "PURGE"] {
            assert_eq!(Idempotency::of(method, none), NonIdempotent, "{method}");
            assert_eq!(Idempotency::of(method, key), Idempotent, "{method}");
        }
    }

    fn after(repeatable: Idempotency, status: u16, fields: &[(&str, &str)]) -> RetryAction {
        repeatable.after(status, fields.iter().copied(), SystemTime::now())
    }

    #[test]
    fn what_may_have_been_executed_is_repeated_only_if_it_may_be() {
        for status in [408, 502, 503, 504] {
            assert_eq!(after(Idempotent, status, &[]), RetryAction::Backoff, "{status}");
            for repeatable in [Never, NonIdempotent] {
                let told = after(repeatable, status, &[("retry-after", "5")]);
                assert_eq!(told, RetryAction::Stop, "{status}");
            }
        }
        assert_eq!(after(Idempotent, 429, &[]), RetryAction::Backoff);
        assert_eq!(after(NonIdempotent, 429, &[]), RetryAction::Backoff);
        assert_eq!(after(Never, 429, &[]), RetryAction::Stop);
        for status in [200, 204, 301, 304, 400, 401, 403, 404, 409, 425, 500, 501] {
            assert_eq!(
                after(Idempotent, status, &[("retry-after", "5")]),
                RetryAction::Stop,
                "{status}"
            );
        }
    }

    #[test]
    fn what_got_lost_on_a_connection_may_have_been_executed() {
        let after =
            |connected| [Never, NonIdempotent, Idempotent].map(|it| it.after_error(connected));
        assert_eq!(after(false), [RetryAction::Stop, RetryAction::Backoff, RetryAction::Backoff]);
        assert_eq!(after(true), [RetryAction::Stop, RetryAction::Stop, RetryAction::Backoff]);
    }

    #[test]
    fn the_wait_is_the_one_that_the_answer_tells() {
        let told = |fields: &[_]| after(NonIdempotent, 429, fields);
        let seconds = |seconds| RetryAction::After(Duration::from_secs(seconds));
        let limit = ("ratelimit", r#""a";r=0;t=9"#);
        assert_eq!(told(&[limit]), seconds(9));
        assert_eq!(told(&[limit, ("retry-after", "5")]), seconds(5));
        assert_eq!(told(&[("retry-after", "soon")]), RetryAction::Backoff);
    }
}
