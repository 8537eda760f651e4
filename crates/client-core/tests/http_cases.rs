//! Runs the shared table of HTTP headers.
#![allow(missing_docs, clippy::unwrap_used, reason = "a failing test should say where")]

use std::time::{Duration, SystemTime};

use ratelog_client_core::Source;
use ratelog_client_core::http::{HeaderFamily, LimitSet, NamedRules, RetryHint};
use ratelog_client_core::retry::{Idempotency, RetryAction};
use ratelog_core::{Decision, PolicyName, Rules, wire};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(rename = "about")]
    _about: String,
    write: Vec<Write>,
    read: Vec<Read>,
    retry: Vec<Retry>,
}

type Headers = Vec<(String, String)>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Write {
    name: String,
    family: String,
    limits: Vec<Limit>,
    /// One per limit; `None` if there is none.
    decisions: Vec<Option<[i64; 6]>>,
    /// For each decision, true if it counted. `None` if all did.
    counted: Option<Vec<bool>>,
    /// Only for the family that writes a time of day.
    sent_at: Option<f64>,
    headers: Headers,
    /// `None` if the case says nothing about the problem details.
    problem: Option<Value>,
}

/// The rules or the policy of a limit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    rules: Option<String>,
    names: Option<Vec<String>>,
    policy: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    name: String,
    headers: Headers,
    received_at: u64,
    wait: Option<f64>,
    remaining: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Retry {
    name: String,
    method: String,
    request_headers: Headers,
    status: u16,
    response_headers: Headers,
    received_at: u64,
    action: Action,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Stop,
    Backoff,
    Wait(u64),
}

impl From<Action> for RetryAction {
    fn from(action: Action) -> Self {
        match action {
            Action::Stop => Self::Stop,
            Action::Backoff => Self::Backoff,
            Action::Wait(seconds) => Self::After(Duration::from_secs(seconds)),
        }
    }
}

impl Limit {
    fn named_rules(&self) -> NamedRules {
        let rules = self.rules.as_ref().map(|rules| rules.parse::<Rules>().unwrap());
        let policy = self.policy.as_ref().map(|name| name.parse::<PolicyName>().unwrap());
        match (rules, &self.names, policy) {
            (Some(rules), Some(names), None) => NamedRules::new(&rules, names).unwrap(),
            (Some(rules), None, None) => NamedRules::from(&rules),
            (Some(rules), None, Some(policy)) => NamedRules::of_policy(&policy, &rules),
            (None, None, Some(policy)) => NamedRules::from(&policy),
            _ => panic!("a limit has rules, a policy or both, and names only with rules"),
        }
    }
}

fn table() -> Table {
    serde_json::from_str(include_str!("../../../tests/http_cases.json")).unwrap()
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn lines(headers: &Headers) -> impl Iterator<Item = (&str, &str)> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

#[test]
fn responses_have_the_expected_headers_and_problem_details() {
    let cases = table().write;
    assert!(!cases.is_empty());
    for case in cases {
        let set = LimitSet::new(case.limits.iter().map(Limit::named_rules));
        let counted = case.counted.unwrap_or_else(|| vec![true; case.decisions.len()]);
        assert_eq!(counted.len(), case.decisions.len(), "{}", case.name);
        let each = case.decisions.into_iter().zip(counted);
        let decisions: Vec<Option<(Decision, Source)>> = each
            .map(|(integers, is_counted)| {
                let source = if is_counted { Source::Module } else { Source::Fallback };
                integers.map(|integers| (wire::decode(integers).unwrap(), source))
            })
            .collect();
        let family: HeaderFamily = case.family.parse().unwrap();
        let now =
            SystemTime::UNIX_EPOCH + Duration::from_secs_f64(case.sent_at.unwrap_or_default());
        let headers = set.headers(family, &decisions, now).into_iter();
        let headers: Headers =
            headers.map(|(name, value)| (name.to_owned(), value.into_owned())).collect();
        assert_eq!(headers, case.headers, "{}", case.name);
        if let Some(expected) = case.problem {
            let problem: Value = serde_json::from_str(&set.problem(&decisions)).unwrap();
            assert_eq!(problem, expected, "{}", case.name);
        }
    }
}

#[test]
fn headers_give_the_expected_wait_and_remaining() {
    let cases = table().read;
    assert!(!cases.is_empty());
    for case in cases {
        let hint = RetryHint::from_headers(lines(&case.headers), at(case.received_at));
        let expected = (case.wait.map(Duration::from_secs_f64), case.remaining);
        assert_eq!((hint.wait(), hint.remaining), expected, "{}", case.name);
    }
}

#[test]
fn responses_give_the_expected_action() {
    let cases = table().retry;
    assert!(!cases.is_empty());
    for case in cases {
        let request = Idempotency::of_request(&case.method, lines(&case.request_headers));
        let now = at(case.received_at);
        let action = request.after_response(case.status, lines(&case.response_headers), now);
        assert_eq!(action, RetryAction::from(case.action), "{}", case.name);
    }
}
