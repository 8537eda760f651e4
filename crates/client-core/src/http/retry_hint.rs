use std::time::{Duration, SystemTime};

use super::ratelimit_field;
use super::retry_after::{RetryTime, date, seconds};

/// The retry information in the headers of a response, from any HTTP library.
///
/// Three families of headers are read. The first that gives a wait is used:
///
/// 1. `Retry-After` (RFC 9110): seconds, or an HTTP date.
/// 2. `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11): a Structured Field List (RFC 9651) of items with `r` and
///    `t`, in one line or several.
/// 3. `X-RateLimit-Remaining` and `X-RateLimit-Reset`, with or without `X-`. Servers disagree on the unit of the reset:
///    a value under 10^9 is read as seconds to wait, a value under 10^12 as a Unix time in seconds, and a greater value
///    as a Unix time in milliseconds. A fraction is rounded up.
///
/// A date is compared with the response's own `Date`, so a wrong clock on either side does no harm. Without `Date` it
/// is compared with the client's clock. A date in the past is a wait of zero.
///
/// Malformed headers are ignored. If a header other than `RateLimit` occurs several times, the longest wait or the
/// least remaining is used. A wait has no upper bound; set one yourself.
///
/// ```
/// use ratelog_client_core::http::RetryHint;
/// use std::time::{Duration, SystemTime};
///
/// let headers = [
///     ("RateLimit", r#""burst";r=0;t=5, "daily";r=800;t=3600"#),
///     ("Content-Type", "text/plain"),
/// ];
/// let hint = RetryHint::from_headers(headers, SystemTime::now());
/// assert_eq!(hint.remaining, Some(0));
/// assert_eq!(hint.wait(), Some(Duration::from_secs(5)));
///
/// let headers = headers.into_iter().chain([("Retry-After", "7")]);
/// let hint = RetryHint::from_headers(headers, SystemTime::now());
/// assert_eq!(hint.wait(), Some(Duration::from_secs(7)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetryHint {
    /// The wait in `Retry-After`.
    pub retry_after: Option<Duration>,
    /// The least that remains of any limit, in units.
    pub remaining: Option<u64>,
    /// How long nothing remains: the longest `t` of the limits with `r=0`. `None` if something remains, or if the
    /// headers do not say how long.
    pub exhausted_for: Option<Duration>,
}

impl RetryHint {
    /// Reads the headers of a response that was received at `now`, as pairs of name and value.
    ///
    /// The case of names does not matter. You can pass a `&HeaderMap` of the `http` crate.
    pub fn from_headers<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        headers: impl IntoIterator<Item = (N, V)>,
        now: SystemTime,
    ) -> Self {
        let mut lines = Lines::default();
        for (name, value) in headers {
            lines.add(name.as_ref(), value.as_ref().trim_ascii());
        }
        lines.into_hint(now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
    }

    /// How long a client must wait after a denied request: `Retry-After`, else the longest `t` of the exhausted limits.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        self.retry_after.or(self.exhausted_for)
    }
}

/// The values of the headers that matter.
#[derive(Default)]
struct Lines {
    date: Option<Duration>,
    retry_after: Vec<RetryTime>,
    /// All lines, joined with commas as RFC 9651 requires: one malformed line makes the whole list malformed.
    ratelimit: Option<Vec<u8>>,
    remaining: Option<u64>,
    reset: Vec<RetryTime>,
}

impl Lines {
    fn add(&mut self, name: &[u8], value: &[u8]) {
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        if is("date") {
            // With the earliest one the wait is the longest.
            self.date = [self.date, date(value)].into_iter().flatten().min();
        } else if is("retry-after") {
            self.retry_after.extend(RetryTime::from_retry_after(value));
        } else if is("ratelimit") {
            match &mut self.ratelimit {
                None => self.ratelimit = Some(value.to_vec()),
                Some(line) => {
                    line.push(b',');
                    line.extend_from_slice(value);
                }
            }
        } else if is("x-ratelimit-remaining") || is("ratelimit-remaining") {
            self.remaining = least(self.remaining, seconds(value));
        } else if is("x-ratelimit-reset") || is("ratelimit-reset") {
            self.reset.extend(RetryTime::from_reset(value));
        }
    }

    /// `now` is the client's clock, since the Unix epoch.
    fn into_hint(self, now: Duration) -> RetryHint {
        let now = self.date.unwrap_or(now);
        let longest = |times: Vec<RetryTime>| times.into_iter().map(|time| time.wait(now)).max();
        let retry_after = longest(self.retry_after);
        let items = self.ratelimit.as_deref().map(ratelimit_field::parse).unwrap_or_default();
        if !items.is_empty() {
            let remaining = items.iter().map(|item| item.remaining).min();
            let exhausted = items.iter().filter(|item| item.remaining == 0);
            let exhausted_for = exhausted.filter_map(|item| item.reset).max();
            return RetryHint { retry_after, remaining, exhausted_for };
        }
        let remaining = self.remaining;
        let exhausted_for = longest(self.reset).filter(|_| remaining == Some(0));
        RetryHint { retry_after, remaining, exhausted_for }
    }
}

fn least(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    [one, other].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::RetryHint;
    use proptest::prelude::*;
    use sfv::{KeyRef, ListSerializer, StringRef};
    use std::time::{Duration, SystemTime};

    /// A time that the tests' dates are near to.
    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    #[test]
    fn a_clock_before_the_unix_epoch_counts_as_the_epoch() {
        let before_time = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        let hint = RetryHint::from_headers(
            [("Retry-After", "Thu, 01 Jan 1970 00:00:01 GMT")],
            before_time,
        );
        assert_eq!(hint.retry_after, Some(Duration::from_secs(1)));
    }

    const NAMES: [&str; 5] =
        ["Retry-After", "RateLimit", "X-RateLimit-Remaining", "RateLimit-Reset", "Date"];

    /// Arbitrary bytes, and values that are almost valid.
    fn value() -> impl Strategy<Value = Vec<u8>> {
        let item = r#"("a"|b|\(c\)|[0-9]{1,25})(;[rt]=-?[0-9]{1,17}(\.[0-9])?){0,3},?"#;
        let date = "(Mon|Fri), [0-9]{2} (Feb|Dec) (19|20|99)[0-9]{2} [0-9]{2}:[0-6]0:00 GMT";
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            item.prop_map(String::into_bytes),
            date.prop_map(String::into_bytes),
        ]
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_handled(
            lines in prop::collection::vec((prop::sample::select(&NAMES[..]), value()), 0..6),
            now in any::<u64>(),
        ) {
            let now = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(now)).unwrap();
            let hint = RetryHint::from_headers(lines, now);
            prop_assert!(hint.exhausted_for.is_none() || hint.remaining == Some(0));
        }

        #[test]
        fn it_reads_what_a_serializer_writes(
            items in prop::collection::vec(
                ("[ -~]{0,9}", 0..3_u32, prop::option::of(any::<u32>())),
                1..5,
            ),
            separate_lines in any::<bool>(),
        ) {
            let mut lines = vec![ListSerializer::new()];
            for (name, remaining, reset) in &items {
                if separate_lines {
                    lines.push(ListSerializer::new());
                }
                let item = lines.last_mut().unwrap().bare_item(StringRef::from_str(name).unwrap());
                let item = item.parameter(KeyRef::constant("r"), *remaining);
                if let Some(reset) = reset {
                    let _ = item.parameter(KeyRef::constant("t"), *reset);
                }
            }
            let lines = lines.into_iter().filter_map(ListSerializer::finish);
            let hint = RetryHint::from_headers(lines.map(|line| ("RateLimit", line)), now());

            let exhausted = items.iter().filter(|(_, remaining, _)| *remaining == 0);
            let longest = exhausted.filter_map(|(_, _, reset)| *reset).max();
            prop_assert_eq!(hint.remaining, items.iter().map(|(_, r, _)| u64::from(*r)).min());
            prop_assert_eq!(hint.exhausted_for, longest.map(|t| Duration::from_secs(t.into())));
        }
    }
}
