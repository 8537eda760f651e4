//! Headers that a server writes, read by a client. `tests/http_cases.json` has the exact text of headers and bodies.

use std::time::{Duration, SystemTime};

use super::{Header, HeaderFamily, NamedRules, RetryHint, headers, names, retry_after_seconds};
use crate::Source;
use ratelog_core::{Decision, Limit, Rule, Rules, Window};

fn rule() -> Rule {
    Rule::new(Limit::new(100), Window::from_millis(60_000).unwrap())
}

fn denied(retry_after: u64) -> Decision {
    Decision {
        allowed: false,
        limit: rule().limit(),
        remaining: 0,
        retry_after: Some(retry_after),
        reset_after: 60_000,
        window: rule().window(),
    }
}

#[test]
fn a_wait_of_zero_is_rounded_up_to_a_second() {
    assert_eq!(retry_after_seconds(&denied(0)), Some(1));
}

#[test]
fn a_client_reads_what_a_server_writes() {
    let rules = NamedRules::new(&Rules::one(rule()), ["burst"]).unwrap();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    for family in [
        HeaderFamily::Draft11,
        HeaderFamily::XRateLimit,
        HeaderFamily::XRateLimitEpoch,
        HeaderFamily::Both,
        HeaderFamily::None,
    ] {
        let mut headers = headers(family, &rules, &denied(4_001), Source::Module, now);
        let wait = |headers: &[Header<'_>]| {
            let lines = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
            RetryHint::from_headers(lines, now).wait()
        };
        assert_eq!(wait(&headers), Some(Duration::from_secs(5)));
        headers.retain(|(name, _)| *name != names::RETRY_AFTER);
        let expected = (family != HeaderFamily::None).then_some(Duration::from_secs(5));
        assert_eq!(wait(&headers), expected, "{family}");
    }
}
