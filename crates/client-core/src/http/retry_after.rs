use std::time::{Duration, SystemTime};

/// When a wait ends.
#[derive(Clone, Copy)]
pub(super) enum RetryTime {
    /// After this wait.
    After(Duration),
    /// At this time since the Unix epoch.
    At(Duration),
}

impl RetryTime {
    /// Parses the value of `Retry-After`: seconds, or an HTTP date.
    pub(super) fn from_retry_after(value: &[u8]) -> Option<Self> {
        seconds(value).map(Self::after).or_else(|| date(value).map(Self::At))
    }

    /// Parses the value of `X-RateLimit-Reset`: seconds, or a Unix time in seconds or milliseconds. Some servers write a
    /// fraction, which is rounded up.
    pub(super) fn from_reset(value: &[u8]) -> Option<Self> {
        let mut parts = value.splitn(2, |byte| *byte == b'.');
        let whole = parts.next().and_then(seconds)?;
        let fraction = parts.next().map_or(Some(0), seconds)?;
        let value = whole.saturating_add(u64::from(fraction > 0));
        Some(match value {
            0..1_000_000_000 => Self::after(value),
            1_000_000_000..1_000_000_000_000 => Self::At(Duration::from_secs(value)),
            1_000_000_000_000.. => Self::At(Duration::from_millis(value)),
        })
    }

    fn after(seconds: u64) -> Self {
        Self::After(Duration::from_secs(seconds))
    }

    /// The wait from `now`, a time since the Unix epoch; zero if the end is past.
    pub(super) fn wait(self, now: Duration) -> Duration {
        match self {
            Self::After(wait) => wait,
            Self::At(then) => then.saturating_sub(now),
        }
    }
}

/// Parses ASCII digits; a value beyond `u64::MAX` is `u64::MAX`.
pub(super) fn seconds(digits: &[u8]) -> Option<u64> {
    let all = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    all.then(|| {
        digits.iter().fold(0_u64, |value, byte| {
            value.saturating_mul(10).saturating_add(u64::from(byte - b'0'))
        })
    })
}

/// Parses an HTTP date to the time since the Unix epoch.
pub(super) fn date(value: &[u8]) -> Option<Duration> {
    let date = httpdate::parse_http_date(std::str::from_utf8(value).ok()?).ok()?;
    date.duration_since(SystemTime::UNIX_EPOCH).ok()
}

#[cfg(test)]
mod tests {
    use super::RetryTime;
    use std::time::Duration;

    /// Seconds from the Unix time 1,800,000,000.
    fn wait(when: Option<RetryTime>) -> Option<u64> {
        when.map(|when| when.wait(Duration::from_secs(1_800_000_000)).as_secs())
    }

    fn retry_after(value: &str) -> Option<u64> {
        wait(RetryTime::from_retry_after(value.as_bytes()))
    }

    #[test]
    fn a_value_that_is_not_ascii_is_malformed() {
        assert_eq!(retry_after("\u{665}"), None);
        assert_eq!(wait(RetryTime::from_retry_after(b"\xff")), None);
    }

    #[test]
    fn a_wait_that_overflows_is_the_longest_there_is() {
        assert_eq!(retry_after("18446744073709551615"), Some(u64::MAX));
        assert_eq!(retry_after("99999999999999999999999999"), Some(u64::MAX));
    }

    #[test]
    fn a_reset_is_no_date() {
        let date = RetryTime::from_reset(b"Fri, 15 Jan 2027 08:00:09 GMT");
        assert_eq!(wait(date), None);
    }
}
