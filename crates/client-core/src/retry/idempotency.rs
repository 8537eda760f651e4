use std::time::SystemTime;

use super::{RetryAction, RetryHint};

/// Whether a request may be repeated.
///
/// ```
/// use ratelog_client_core::retry::{RetryAction, Idempotency};
/// use std::time::{Duration, SystemTime};
///
/// let post = Idempotency::of_request("POST", [("content-type", "text/plain")]);
/// let after = |status: u16| {
///     post.after_response(status, [("retry-after", "5")], SystemTime::now())
/// };
/// assert_eq!(after(429), RetryAction::After(Duration::from_secs(5)));
/// assert_eq!(after(503), RetryAction::Stop);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Idempotency {
    /// Never repeat it, not even after 429. For servers that answer 429 after they have begun to execute a request.
    Never,
    /// Repeat it only if it was not executed: because it never arrived, or was answered with 429 (Too Many Requests). A
    /// limiter denies a request before anything happens.
    NonIdempotent,
    /// Repeat it even if it may have been executed.
    Idempotent,
}

impl Idempotency {
    /// [`Idempotency::Idempotent`] for the idempotent methods of RFC 9110 (GET, HEAD, OPTIONS, TRACE, PUT, DELETE) and
    /// for requests with an `Idempotency-Key` header; [`Idempotency::NonIdempotent`] for all others.
    ///
    /// You can pass a `&Method` and a `&HeaderMap` of the `http` crate.
    #[must_use]
    pub fn of_request<N: AsRef<[u8]>, V: AsRef<[u8]>>(
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

    /// The action after a response with `status` and `headers`, received at `now`.
    ///
    /// Retries after 429 (Too Many Requests). An idempotent request is also retried after errors that are often
    /// transient: 408 (Request Timeout), 502 (Bad Gateway), 503 (Service Unavailable) and 504 (Gateway Timeout). The
    /// wait is the response's [`RetryHint::wait`].
    ///
    /// A 429 without a wait whose `RateLimit` or `X-RateLimit` headers report units that remain is final: the request
    /// costs more than the limit, so no wait changes the response.
    #[must_use]
    pub fn after_response<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        self,
        status: impl Into<u16>,
        headers: impl IntoIterator<Item = (N, V)>,
        now: SystemTime,
    ) -> RetryAction {
        let status = status.into();
        let may_retry = match status {
            429 => self != Self::Never,
            408 | 502 | 503 | 504 => self == Self::Idempotent,
            _ => false,
        };
        if !may_retry {
            return RetryAction::Stop;
        }
        let hint = RetryHint::from_headers(headers, now);
        match hint.wait() {
            Some(wait) => RetryAction::After(wait),
            None if status == 429 && hint.remaining.is_some_and(|units| units > 0) => {
                RetryAction::Stop
            }
            None => RetryAction::Backoff,
        }
    }

    /// The action after an error in place of a response. `may_have_arrived` is whether there was a connection, so that
    /// the server may have executed the request.
    #[must_use]
    pub fn after_error(self, may_have_arrived: bool) -> RetryAction {
        let may_retry =
            if may_have_arrived { self == Self::Idempotent } else { self != Self::Never };
        if may_retry { RetryAction::Backoff } else { RetryAction::Stop }
    }
}

#[cfg(test)]
mod tests {
    use super::Idempotency::{self, Idempotent, Never, NonIdempotent};
    use super::{RetryAction, SystemTime};

    #[test]
    fn a_method_is_case_sensitive_and_an_unknown_one_is_not_idempotent() {
        let none: [(&str, &str); 0] = [];
        let key = [("accept", "*/*"), ("Idempotency-Key", "\"8e03978e\"")];
        for method in ["CONNECT", "get", "PURGE"] {
            assert_eq!(Idempotency::of_request(method, none), NonIdempotent, "{method}");
            assert_eq!(Idempotency::of_request(method, key), Idempotent, "{method}");
        }
    }

    #[test]
    fn a_request_that_must_not_be_repeated_is_not_retried() {
        for status in [408_u16, 429, 502, 503, 504] {
            let headers = [("retry-after", "5")];
            let action = Never.after_response(status, headers, SystemTime::UNIX_EPOCH);
            assert_eq!(action, RetryAction::Stop, "{status}");
        }
    }

    #[test]
    fn a_denial_of_a_request_that_costs_more_than_the_limit_is_final() {
        let after = |status: u16, headers: &[(&str, &str)]| {
            Idempotent.after_response(status, headers.iter().copied(), SystemTime::UNIX_EPOCH)
        };
        let plenty = ("ratelimit", "\"default\";r=10;t=5");
        assert_eq!(after(429, &[plenty]), RetryAction::Stop);
        assert_eq!(after(429, &[("x-ratelimit-remaining", "3")]), RetryAction::Stop);
        assert_eq!(after(503, &[plenty]), RetryAction::Backoff);
        assert_eq!(after(429, &[("ratelimit", "\"default\";r=0")]), RetryAction::Backoff);
        let two = std::time::Duration::from_secs(2);
        assert_eq!(after(429, &[plenty, ("retry-after", "2")]), RetryAction::After(two));
    }

    #[test]
    fn a_request_lost_on_a_connection_may_have_been_executed() {
        let after = |may_have_arrived| {
            [Never, NonIdempotent, Idempotent].map(|it| it.after_error(may_have_arrived))
        };
        assert_eq!(after(false), [RetryAction::Stop, RetryAction::Backoff, RetryAction::Backoff]);
        assert_eq!(after(true), [RetryAction::Stop, RetryAction::Stop, RetryAction::Backoff]);
    }
}
