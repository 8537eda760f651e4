//! The texts of fields and bodies, to the letter.

use std::time::{Duration, SystemTime};

use super::{Field, HeaderFamily, NamedRules, RetryHint, fields, names, problem};
use ratelog_core::{Decision, Limit, PolicyName, Rule, Rules, Window};

const DAY: u64 = 86_400_000;

fn rule(limit: u32, millis: u64) -> Rule {
    Rule::new(Limit::new(limit).unwrap(), Window::from_millis(millis).unwrap())
}

fn limits() -> NamedRules {
    let rules = Rules::new([rule(100, 60_000), rule(1_000, DAY)]).unwrap();
    NamedRules::named(&rules, ["burst", "daily"]).unwrap()
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

/// The fields as they stand in a response.
fn told(family: HeaderFamily, limits: &NamedRules, decision: &Decision) -> String {
    fields(family, limits, decision).into_iter().fold(String::new(), |mut text, (name, value)| {
        text.extend([name, ": ", &value, "\n"]);
        text
    })
}

#[test]
fn an_allowed_response_lists_every_rule_and_tells_of_the_binding_one() {
    assert_eq!(
        told(HeaderFamily::Draft11, &limits(), &allowed(rule(1_000, DAY), 12)),
        "ratelimit-policy: \"burst\";q=100;w=60, \"daily\";q=1000;w=86400\n\
         ratelimit: \"daily\";r=12;t=86400\n"
    );
}

#[test]
fn a_denied_response_has_one_time_for_all_fields() {
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
        assert_eq!(told(family, &limits(), &decision), text);
    }
}

#[test]
fn spans_are_never_told_shorter_than_they_are() {
    let limits = NamedRules::named(&Rules::one(rule(5, 1_500)), ["x"]).unwrap();
    for (retry_after, seconds) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (1_500, 2)] {
        assert_eq!(
            told(HeaderFamily::Draft11, &limits, &denied(rule(5, 1_500), Some(retry_after))),
            format!(
                "ratelimit-policy: \"x\";q=5;w=2\n\
                 ratelimit: \"x\";r=0;t={seconds}\nretry-after: {seconds}\n"
            )
        );
    }
}

#[test]
fn what_can_never_pass_is_not_told_to_come_back() {
    let decision = Decision { remaining: 40, ..denied(rule(100, 60_000), None) };
    assert!(told(HeaderFamily::Both, &limits(), &decision).ends_with(
        "ratelimit: \"burst\";r=40;t=60\n\
             x-ratelimit-limit: 100\nx-ratelimit-remaining: 40\nx-ratelimit-reset: 60\n"
    ));
    let body: serde_json::Value = serde_json::from_str(&problem(&limits(), &decision)).unwrap();
    assert_eq!(body["retry_after_ms"], serde_json::Value::Null);
}

#[test]
fn a_rule_is_named_by_its_text_where_it_has_no_other_name() {
    let rules = Rules::new([rule(10, 1_000), rule(5, 10_000)]).unwrap();
    assert_eq!(
        told(HeaderFamily::Draft11, &NamedRules::from(&rules), &allowed(rule(5, 10_000), 4)),
        "ratelimit-policy: \"10/second\";q=10;w=1, \"5/10s\";q=5;w=10\n\
         ratelimit: \"5/10s\";r=4;t=10\n"
    );
}

#[test]
fn a_rule_that_the_route_does_not_have_is_listed_under_a_name_of_its_own() {
    let decision = allowed(rule(7, 60_000), 3);
    assert_eq!(
        told(HeaderFamily::Draft11, &limits(), &decision),
        "ratelimit-policy: \"burst\";q=100;w=60, \"daily\";q=1000;w=86400, \"7/minute\";q=7;w=60\n\
         ratelimit: \"7/minute\";r=3;t=60\n"
    );
    let taken = NamedRules::named(&Rules::one(rule(9, 9)), ["7/minute"]).unwrap();
    assert_eq!(
        told(HeaderFamily::Draft11, &taken, &decision),
        "ratelimit-policy: \"7/minute\";q=9;w=1, \"now:7/minute\";q=7;w=60\n\
         ratelimit: \"now:7/minute\";r=3;t=60\n"
    );
}

#[test]
fn a_rule_of_a_policy_has_one_name_whether_it_is_known_or_not() {
    let name = PolicyName::parse(b"search").unwrap();
    let decision = allowed(rule(100, 60_000), 99);
    let limit = "ratelimit: \"search:100/minute\";r=99;t=60\n";
    assert_eq!(
        told(HeaderFamily::Draft11, &NamedRules::from(&name), &decision),
        format!("ratelimit-policy: \"search:100/minute\";q=100;w=60\n{limit}")
    );
    let rules = Rules::new([rule(10, 1_000), rule(100, 60_000)]).unwrap();
    assert_eq!(
        told(HeaderFamily::Draft11, &NamedRules::of_policy(&name, &rules), &decision),
        format!(
            "ratelimit-policy: \"search:10/second\";q=10;w=1, \"search:100/minute\";q=100;w=60\n{limit}"
        )
    );
}

#[test]
fn a_problem_names_the_rule_that_the_fields_name() {
    let limits = NamedRules::named(&Rules::one(rule(1, 1_000)), ["\"quoted\" \\ name"]).unwrap();
    let decision = denied(rule(1, 1_000), Some(250));
    assert_eq!(
        told(HeaderFamily::Draft11, &limits, &decision),
        "ratelimit-policy: \"\\\"quoted\\\" \\\\ name\";q=1;w=1\n\
         ratelimit: \"\\\"quoted\\\" \\\\ name\";r=0;t=1\nretry-after: 1\n"
    );
    let body: serde_json::Value = serde_json::from_str(&problem(&limits, &decision)).unwrap();
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
fn a_client_reads_what_is_told() {
    let decision = denied(rule(100, 60_000), Some(4_001));
    for family in
        [HeaderFamily::Draft11, HeaderFamily::XRateLimit, HeaderFamily::Both, HeaderFamily::None]
    {
        let limits = limits();
        let mut fields = fields(family, &limits, &decision);
        let read = |fields: &[Field<'_>]| {
            let lines = fields.iter().map(|(name, value)| (*name, value.as_bytes()));
            RetryHint::read(lines, SystemTime::UNIX_EPOCH).wait()
        };
        assert_eq!(read(&fields), Some(Duration::from_secs(5)));
        fields.retain(|(name, _)| *name != names::RETRY_AFTER);
        let of_limits = (family != HeaderFamily::None).then_some(Duration::from_secs(5));
        assert_eq!(read(&fields), of_limits, "{family}");
    }
}
