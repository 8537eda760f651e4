//! The exact text of headers and bodies.

use std::time::{Duration, SystemTime};

use super::{Header, HeaderFamily, NamedRules, RetryHint, headers, names, problem};
use ratelog_core::{Decision, Limit, PolicyName, Rule, Rules, Window};

const DAY: u64 = 86_400_000;

fn rule(limit: u32, millis: u64) -> Rule {
    Rule::new(Limit::new(limit).unwrap(), Window::from_millis(millis).unwrap())
}

fn burst_and_daily() -> NamedRules {
    let rules = Rules::new([rule(100, 60_000), rule(1_000, DAY)]).unwrap();
    NamedRules::new(&rules, ["burst", "daily"]).unwrap()
}

fn allowed(rule: Rule, remaining: u64) -> Decision {
    Decision {
        allowed: true,
        limit: rule.limit(),
        remaining,
        retry_after: Some(0),
        reset_after: rule.window().millis(),
        window: rule.window(),
    }
}

fn denied(rule: Rule, retry_after: Option<u64>) -> Decision {
    Decision { allowed: false, retry_after, ..allowed(rule, 0) }
}

/// The headers as lines of text.
fn lines(family: HeaderFamily, rules: &NamedRules, decision: &Decision) -> String {
    headers(family, rules, decision).into_iter().fold(String::new(), |mut text, (name, value)| {
        text.extend([name, ": ", &value, "\n"]);
        text
    })
}

#[test]
fn an_allowed_response_lists_every_rule_and_reports_the_binding_one() {
    assert_eq!(
        lines(HeaderFamily::Draft11, &burst_and_daily(), &allowed(rule(1_000, DAY), 12)),
        "ratelimit-policy: \"burst\";q=100;w=60, \"daily\";q=1000;w=86400\n\
         ratelimit: \"daily\";r=12;t=86400\n"
    );
}

#[test]
fn all_headers_of_a_denied_response_have_the_same_wait() {
    let draft_11 = "ratelimit-policy: \"burst\";q=100;w=60, \"daily\";q=1000;w=86400\n\
                    ratelimit: \"burst\";r=0;t=5\n";
    let x_ratelimit = "x-ratelimit-limit: 100\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 5\n";
    let retry_after = "retry-after: 5\n";
    let decision = denied(rule(100, 60_000), Some(4_001));
    for (family, text) in [
        (HeaderFamily::Draft11, format!("{draft_11}{retry_after}")),
        (HeaderFamily::XRateLimit, format!("{x_ratelimit}{retry_after}")),
        (HeaderFamily::Both, format!("{draft_11}{x_ratelimit}{retry_after}")),
        (HeaderFamily::None, retry_after.to_owned()),
    ] {
        assert_eq!(lines(family, &burst_and_daily(), &decision), text);
    }
}

#[test]
fn waits_are_rounded_up() {
    let rules = NamedRules::new(&Rules::one(rule(5, 1_500)), ["x"]).unwrap();
    for (retry_after, seconds) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (1_500, 2)] {
        assert_eq!(
            lines(HeaderFamily::Draft11, &rules, &denied(rule(5, 1_500), Some(retry_after))),
            format!(
                "ratelimit-policy: \"x\";q=5;w=2\n\
                 ratelimit: \"x\";r=0;t={seconds}\nretry-after: {seconds}\n"
            )
        );
    }
}

#[test]
fn a_denial_that_never_ends_has_no_retry_after() {
    let decision = Decision { remaining: 40, ..denied(rule(100, 60_000), None) };
    assert!(lines(HeaderFamily::Both, &burst_and_daily(), &decision).ends_with(
        "ratelimit: \"burst\";r=40;t=60\n\
             x-ratelimit-limit: 100\nx-ratelimit-remaining: 40\nx-ratelimit-reset: 60\n"
    ));
    let body: serde_json::Value =
        serde_json::from_str(&problem(&burst_and_daily(), &decision)).unwrap();
    assert_eq!(body["retry_after_ms"], serde_json::Value::Null);
}

#[test]
fn a_rule_without_a_name_is_named_by_its_text() {
    let rules = Rules::new([rule(10, 1_000), rule(5, 10_000)]).unwrap();
    assert_eq!(
        lines(HeaderFamily::Draft11, &NamedRules::from(&rules), &allowed(rule(5, 10_000), 4)),
        "ratelimit-policy: \"10/second\";q=10;w=1, \"5/10s\";q=5;w=10\n\
         ratelimit: \"5/10s\";r=4;t=10\n"
    );
}

#[test]
fn an_unlisted_rule_is_added_under_an_unused_name() {
    let decision = allowed(rule(7, 60_000), 3);
    assert_eq!(
        lines(HeaderFamily::Draft11, &burst_and_daily(), &decision),
        "ratelimit-policy: \"burst\";q=100;w=60, \"daily\";q=1000;w=86400, \"7/minute\";q=7;w=60\n\
         ratelimit: \"7/minute\";r=3;t=60\n"
    );
    let other = NamedRules::new(&Rules::one(rule(9, 9)), ["7/minute"]).unwrap();
    assert_eq!(
        lines(HeaderFamily::Draft11, &other, &decision),
        "ratelimit-policy: \"7/minute\";q=9;w=1, \"now:7/minute\";q=7;w=60\n\
         ratelimit: \"now:7/minute\";r=3;t=60\n"
    );
}

#[test]
fn a_policys_rule_has_the_same_name_whether_or_not_it_is_known() {
    let name = PolicyName::parse(b"search").unwrap();
    let decision = allowed(rule(100, 60_000), 99);
    let limit = "ratelimit: \"search:100/minute\";r=99;t=60\n";
    assert_eq!(
        lines(HeaderFamily::Draft11, &NamedRules::from(&name), &decision),
        format!("ratelimit-policy: \"search:100/minute\";q=100;w=60\n{limit}")
    );
    let rules = Rules::new([rule(10, 1_000), rule(100, 60_000)]).unwrap();
    assert_eq!(
        lines(HeaderFamily::Draft11, &NamedRules::of_policy(&name, &rules), &decision),
        format!(
            "ratelimit-policy: \"search:10/second\";q=10;w=1, \"search:100/minute\";q=100;w=60\n{limit}"
        )
    );
}

#[test]
fn the_problem_details_name_the_rule_that_the_headers_name() {
    let rules = NamedRules::new(&Rules::one(rule(1, 1_000)), ["\"quoted\" \\ name"]).unwrap();
    let decision = denied(rule(1, 1_000), Some(250));
    assert_eq!(
        lines(HeaderFamily::Draft11, &rules, &decision),
        "ratelimit-policy: \"\\\"quoted\\\" \\\\ name\";q=1;w=1\n\
         ratelimit: \"\\\"quoted\\\" \\\\ name\";r=0;t=1\nretry-after: 1\n"
    );
    let body: serde_json::Value = serde_json::from_str(&problem(&rules, &decision)).unwrap();
    assert_eq!(
        body,
        serde_json::json!({
            "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
            "title": "Request cannot be satisfied as assigned quota has been exceeded",
            "status": 429,
            "violated-policies": ["\"quoted\" \\ name"],
            "retry_after_ms": 250,
        })
    );
}

#[test]
fn a_client_reads_what_a_server_writes() {
    let decision = denied(rule(100, 60_000), Some(4_001));
    for family in
        [HeaderFamily::Draft11, HeaderFamily::XRateLimit, HeaderFamily::Both, HeaderFamily::None]
    {
        let rules = burst_and_daily();
        let mut headers = headers(family, &rules, &decision);
        let wait = |headers: &[Header<'_>]| {
            let lines = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
            RetryHint::from_headers(lines, SystemTime::UNIX_EPOCH).wait()
        };
        assert_eq!(wait(&headers), Some(Duration::from_secs(5)));
        headers.retain(|(name, _)| *name != names::RETRY_AFTER);
        let expected = (family != HeaderFamily::None).then_some(Duration::from_secs(5));
        assert_eq!(wait(&headers), expected, "{family}");
    }
}
