use std::time::{Duration, SystemTime};

use super::ratelimit_field::quotas;
use super::retry_after::{RetryTime, date, seconds};

/// What the fields of a response say about waiting, whatever HTTP library they came through.
///
/// Three families are read, and a client goes by the first that says anything:
///
/// 1. `Retry-After` (RFC 9110): seconds, or an HTTP date.
/// 2. `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11): a Structured Field List (RFC 9651) of items
///    with `r` and `t`, in one line or several.
/// 3. `X-RateLimit-Remaining` and `X-RateLimit-Reset`, with or without the `X-`. Servers do not agree on
///    the latter: a value under 10^9 is taken for seconds to wait, one under 10^12 for a Unix time in
///    seconds, and any other for one in milliseconds.
///
/// Points in time are reckoned from the response's `Date`, so that a wrong clock on either side does
/// no harm, and from the caller's clock where there is none. One that is past is a wait of zero.
///
/// A malformed field counts as absent. A field other than `RateLimit` that comes several times counts
/// with the longest wait, or the least remaining, that it tells. Nothing bounds how long a server tells
/// a client to wait: that is left to the caller.
///
/// ```
/// use ratelog_client_core::http::RetryHint;
/// use std::time::{Duration, SystemTime};
///
/// let fields = [
///     ("RateLimit", r#""burst";r=0;t=5, "daily";r=800;t=3600"#),
///     ("Content-Type", "text/plain"),
/// ];
/// let hint = RetryHint::read(fields, SystemTime::now());
/// assert_eq!(hint.remaining, Some(0));
/// assert_eq!(hint.wait(), Some(Duration::from_secs(5)));
///
/// let hint = RetryHint::read(fields.into_iter().chain([("Retry-After", "7")]), SystemTime::now());
/// assert_eq!(hint.wait(), Some(Duration::from_secs(7)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetryHint {
    /// What `Retry-After` tells to wait.
    pub retry_after: Option<Duration>,
    /// The least that is left of any limit, in units.
    pub remaining: Option<u64>,
    /// For how long nothing is left: the longest `t` of the limits with `r=0`; `None` if something is
    /// left, or if nobody says for how long.
    pub exhausted_for: Option<Duration>,
}

impl RetryHint {
    /// Reads the fields of one response, names and values, received at `now`.
    ///
    /// Names are compared without regard to case. An [`http::HeaderMap`] can be passed as it is.
    ///
    /// [`http::HeaderMap`]: https://docs.rs/http/1/http/header/struct.HeaderMap.html
    pub fn read<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        fields: impl IntoIterator<Item = (N, V)>,
        now: SystemTime,
    ) -> Self {
        let mut lines = Lines::default();
        for (name, value) in fields {
            lines.add(name.as_ref(), value.as_ref().trim_ascii());
        }
        lines.hint(now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
    }

    /// How long a client that was refused is told to wait: `Retry-After`, else the longest `t` of the
    /// limits of which nothing is left.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        self.retry_after.or(self.exhausted_for)
    }
}

/// The lines of the fields that matter.
#[derive(Default)]
struct Lines {
    date: Option<Duration>,
    retry_after: Vec<RetryTime>,
    /// Joined with commas, as RFC 9651 has it: what is malformed in one line spoils all.
    rate_limit: Option<Vec<u8>>,
    remaining: Option<u64>,
    reset: Vec<RetryTime>,
}

impl Lines {
    fn add(&mut self, name: &[u8], value: &[u8]) {
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        if is("date") {
            self.date = date(value);
        } else if is("retry-after") {
            let told = RetryTime::of_retry_after(value);
            self.retry_after.extend(told);
        } else if is("ratelimit") {
            match &mut self.rate_limit {
                None => self.rate_limit = Some(value.to_vec()),
                Some(line) => {
                    line.push(b',');
                    line.extend_from_slice(value);
                }
            }
        } else if is("x-ratelimit-remaining") || is("ratelimit-remaining") {
            self.remaining = least(self.remaining, seconds(value));
        } else if is("x-ratelimit-reset") || is("ratelimit-reset") {
            self.reset.extend(RetryTime::of_reset(value));
        }
    }

    /// `now` is the caller's clock.
    fn hint(self, now: Duration) -> RetryHint {
        let now = self.date.unwrap_or(now);
        let longest = |told: Vec<RetryTime>| told.into_iter().map(|when| when.wait(now)).max();
        let retry_after = longest(self.retry_after);
        let quotas = self.rate_limit.as_deref().map(quotas).unwrap_or_default();
        if !quotas.is_empty() {
            let remaining = quotas.iter().map(|quota| quota.remaining).min();
            let exhausted = quotas.iter().filter(|quota| quota.remaining == 0);
            let exhausted_for = exhausted.filter_map(|quota| quota.reset).max();
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

    /// What `fields` tell at the Unix time 1,800,000,000: seconds of `Retry-After`, the remaining, and for
    /// how many seconds nothing is left.
    fn told(fields: &[(&str, &str)]) -> (Option<u64>, Option<u64>, Option<u64>) {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let hint = RetryHint::read(fields.iter().copied(), now);
        let seconds = |wait: Option<Duration>| wait.map(|wait| wait.as_secs());
        (seconds(hint.retry_after), hint.remaining, seconds(hint.exhausted_for))
    }

    #[test]
    fn of_several_lines_the_longest_wait_counts() {
        let lines = [("retry-after", " 3\t"), ("Retry-After", "x"), ("RETRY-AFTER", "2")];
        assert_eq!(told(&lines), (Some(3), None, None));
        let lines = [
            ("X-RateLimit-Remaining", "4"),
            ("X-RateLimit-Remaining", "0"),
            ("RateLimit-Reset", "30"),
            ("RateLimit-Reset", "9"),
        ];
        assert_eq!(told(&lines), (None, Some(0), Some(30)));
    }

    #[test]
    fn a_clock_that_is_wrong_does_not_stretch_a_date() {
        let date = ("Date", "Fri, 15 Jan 2027 09:00:00 GMT");
        let after = ("Retry-After", "Fri, 15 Jan 2027 09:00:05 GMT");
        assert_eq!(told(&[after, date]).0, Some(5));
        assert_eq!(told(&[after, ("Date", "yesterday")]).0, Some(3_605));
        let fields = [("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "1800003607"), date];
        assert_eq!(told(&fields).2, Some(7));

        let before_time = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        let hint = RetryHint::read([("Retry-After", "Thu, 01 Jan 1970 00:00:01 GMT")], before_time);
        assert_eq!(hint.retry_after, Some(Duration::from_secs(1)));
    }

    #[test]
    fn of_several_limits_the_longest_exhausted_counts() {
        let limits = |value| told(&[("ratelimit", value)]);
        assert_eq!(limits(r#""a";r=0;t=5"#), (None, Some(0), Some(5)));
        let several = r#""a";r=0;t=5, "b";r=0;t=9, "c";r=7;t=99, "d";r=0"#;
        assert_eq!(limits(several), (None, Some(0), Some(9)));
        assert_eq!(limits(r#""a";r=3;t=5, "b";r=2;t=60"#), (None, Some(2), None));
        assert_eq!(limits(r#""a";r=0"#), (None, Some(0), None));
        let lines = [("RateLimit", r#""a";r=0;t=5"#), ("RateLimit", r#""b";r=0;t=6"#)];
        assert_eq!(told(&lines), (None, Some(0), Some(6)));
        assert_eq!(told(&[lines[0], ("RateLimit", "=")]), (None, None, None));
    }

    #[test]
    fn a_reset_counts_when_nothing_remains() {
        let reset = ("RateLimit-Reset", "30");
        assert_eq!(told(&[reset]), (None, None, None));
        assert_eq!(told(&[reset, ("RateLimit-Remaining", "2")]), (None, Some(2), None));
        assert_eq!(told(&[reset, ("X-RateLimit-Remaining", "none")]), (None, None, None));
        assert_eq!(told(&[reset, ("X-RateLimit-Remaining", "0")]), (None, Some(0), Some(30)));
    }

    #[test]
    fn retry_after_goes_before_ratelimit_and_that_before_the_older_family() {
        let older = [("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "30")];
        let wait = |fields: &[(&'static str, &'static str)]| {
            let fields = fields.iter().chain(&older).copied();
            RetryHint::read(fields, SystemTime::now()).wait().map(|wait| wait.as_secs())
        };
        assert_eq!(wait(&[("RateLimit", r#""a";r=0;t=9"#), ("Retry-After", "5")]), Some(5));
        assert_eq!(wait(&[("RateLimit", r#""a";r=0;t=9"#), ("Retry-After", "soon")]), Some(9));
        assert_eq!(wait(&[("RateLimit", r#""a";r=1;t=9"#)]), None);
        assert_eq!(wait(&[("RateLimit", "?")]), Some(30));
        assert_eq!(RetryHint::default().wait(), None);
    }

    const NAMES: [&str; 5] =
        ["Retry-After", "RateLimit", "X-RateLimit-Remaining", "RateLimit-Reset", "Date"];

    /// Anything, and what looks almost right.
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
        fn no_bytes_are_too_odd(
            lines in prop::collection::vec((prop::sample::select(&NAMES[..]), value()), 0..6),
            now in any::<u64>(),
        ) {
            let now = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(now)).unwrap();
            let hint = RetryHint::read(lines, now);
            prop_assert!(hint.exhausted_for.is_none() || hint.remaining == Some(0));
        }

        #[test]
        fn reads_what_a_serializer_writes(
            quotas in prop::collection::vec(
                ("[ -~]{0,9}", 0..3_u32, prop::option::of(any::<u32>())),
                1..5,
            ),
            apart in any::<bool>(),
        ) {
            let mut lines = vec![ListSerializer::new()];
            for (name, remaining, reset) in &quotas {
                if apart {
                    lines.push(ListSerializer::new());
                }
                let item = lines.last_mut().unwrap().bare_item(StringRef::from_str(name).unwrap());
                let item = item.parameter(KeyRef::constant("r"), *remaining);
                if let Some(reset) = reset {
                    let _ = item.parameter(KeyRef::constant("t"), *reset);
                }
            }
            let lines = lines.into_iter().filter_map(ListSerializer::finish);
            let hint = RetryHint::read(lines.map(|line| ("RateLimit", line)), SystemTime::now());

            let exhausted = quotas.iter().filter(|(_, remaining, _)| *remaining == 0);
            let longest = exhausted.filter_map(|(_, _, reset)| *reset).max();
            prop_assert_eq!(hint.remaining, quotas.iter().map(|(_, r, _)| u64::from(*r)).min());
            prop_assert_eq!(hint.exhausted_for, longest.map(|t| Duration::from_secs(t.into())));
        }
    }
}
