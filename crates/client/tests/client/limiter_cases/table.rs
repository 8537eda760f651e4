//! The table of a limiter's steps.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use ratelog_client::limiter::{Backend, Builder, Fallback};
use ratelog_client::{Check, Checks, Cost, Mode, Policy, PolicyName, Rule, RuleSource, Rules};
use ratelog_client_core::Clock;
use serde::Deserialize;
use serde_json::Value;

use crate::scripted_server::Answer;

/// Longer than any test. When a command should time out, the test advances the runtime's clock by it.
pub(super) const TIMEOUT: Duration = Duration::from_secs(3_600);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    #[serde(rename = "about")]
    pub(super) _about: String,
    pub(super) cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) settings: Settings,
    pub(super) steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Settings {
    pub(super) url: Option<String>,
    pub(super) fallback: String,
    pub(super) failure_threshold: NonZeroU32,
    pub(super) probe_max_interval: u64,
    pub(super) deny_cache: usize,
    pub(super) instances: NonZeroU32,
    pub(super) backend: String,
    pub(super) policies: HashMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: None,
            fallback: "local".to_owned(),
            failure_threshold: NonZeroU32::new(5).unwrap(),
            probe_max_interval: 50,
            deny_cache: 0,
            instances: NonZeroU32::MIN,
            backend: "auto".to_owned(),
            policies: HashMap::new(),
        }
    }
}

impl Settings {
    pub(super) fn builder(&self, url: &str, clock: Clock) -> Builder {
        let fallback = match self.fallback.as_str() {
            "local" => Fallback::Local { instances: self.instances },
            "allow" => Fallback::Allow,
            "deny" => Fallback::Deny,
            other => panic!("unknown fallback {other}"),
        };
        let backend = match self.backend.as_str() {
            "auto" => Backend::Auto,
            "module" => Backend::Module,
            "script" => Backend::Script,
            other => panic!("unknown backend {other}"),
        };
        let builder = Builder::new(self.url.as_deref().unwrap_or(url))
            .unwrap()
            .timeout(TIMEOUT)
            .connect_timeout(TIMEOUT)
            .probe_min_interval(Duration::from_millis(1))
            .probe_max_interval(Duration::from_millis(self.probe_max_interval))
            .failure_threshold(self.failure_threshold)
            .fallback(fallback)
            .backend(backend)
            .deny_cache(self.deny_cache)
            .clock(clock);
        self.policies.iter().fold(builder, |builder, (name, rules)| {
            let policy = Policy { rules: rules.parse().unwrap(), mode: Mode::Enforce };
            builder.policy(name.parse().unwrap(), policy)
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    pub(super) at: u64,
    pub(super) probe: Option<TableAnswer>,
    pub(super) check: Option<KeyCheck>,
    pub(super) peek: Option<KeyCheck>,
    pub(super) mcheck: Option<MultiCheck>,
    pub(super) refund: Option<Refund>,
    pub(super) reset: Option<Key>,
    pub(super) del_override: Option<Key>,
    #[serde(default)]
    pub(super) server: HashMap<String, TableAnswers>,
    pub(super) decision: Option<[i64; 6]>,
    pub(super) decisions: Option<Vec<[i64; 6]>>,
    pub(super) source: Option<String>,
    pub(super) sources: Option<Vec<String>>,
    pub(super) count: Option<u64>,
    pub(super) raises: Option<String>,
    pub(super) state: State,
    pub(super) events: Vec<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Closed,
    Open,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyCheck {
    pub(super) key: String,
    pub(super) rules: Option<Rules>,
    pub(super) policy: Option<PolicyName>,
    pub(super) cost: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MultiCheck {
    pub(super) cost: u32,
    pub(super) checks: Vec<KeyCheck>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refund {
    pub(super) key: String,
    pub(super) cost: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Key {
    pub(super) key: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum TableAnswers {
    One(TableAnswer),
    Several(Vec<TableAnswer>),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TableAnswer {
    Reply(Value),
    Error(String),
    Fails(Failure),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Failure {
    ConnectionLost,
    Timeout,
}

impl TableAnswers {
    pub(super) fn as_slice(&self) -> &[TableAnswer] {
        match self {
            Self::One(answer) => std::slice::from_ref(answer),
            Self::Several(answers) => answers,
        }
    }
}

impl TableAnswer {
    pub(super) fn to_answer(&self) -> Answer {
        match self {
            Self::Reply(reply) => Answer::Reply(encode(reply)),
            Self::Error(text) => Answer::Reply(format!("-{text}\r\n").into()),
            Self::Fails(Failure::ConnectionLost) => Answer::Close,
            Self::Fails(Failure::Timeout) => Answer::Silence,
        }
    }
}

/// A reply in RESP3.
pub(super) fn encode(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => b"_\r\n".into(),
        Value::String(text) if text == "<sha1>" => {
            let script = redis::Script::new(ratelog_client_core::script::TEXT);
            encode(&Value::from(script.get_hash()))
        }
        Value::Number(number) => format!(":{number}\r\n").into(),
        Value::String(text) => format!("${}\r\n{text}\r\n", text.len()).into(),
        Value::Array(items) => {
            let head = format!("*{}\r\n", items.len()).into_bytes();
            items.iter().map(encode).fold(head, |bytes, item| [bytes, item].concat())
        }
        Value::Object(fields) => {
            let head = format!("%{}\r\n", fields.len()).into_bytes();
            fields.iter().fold(head, |bytes, (name, value)| {
                [bytes, encode(&Value::from(name.as_str())), encode(value)].concat()
            })
        }
        Value::Bool(_) => panic!("no command replies {value}"),
    }
}

pub(super) fn cost(units: u32) -> Cost {
    Cost::new(units).unwrap()
}

impl KeyCheck {
    pub(super) fn check(&self) -> Check<'_> {
        let check = match (&self.rules, &self.policy) {
            (Some(rules), None) => Check::from(rules),
            (None, Some(policy)) => Check::from(policy),
            _ => panic!("{} has neither rules nor a policy, or both", self.key),
        };
        check.cost(cost(self.cost.unwrap_or(1)))
    }

    pub(super) fn rule_source(&self) -> RuleSource<Rule, &PolicyName> {
        match self.check().rule_source() {
            RuleSource::Rules(rules) => RuleSource::Rules(rules.first()),
            RuleSource::Policy(name) => RuleSource::Policy(name),
        }
    }
}

impl MultiCheck {
    pub(super) fn checks(&self) -> Checks<'_> {
        let (first, rest) = self.checks.split_first().unwrap();
        let checks = Checks::new(cost(self.cost), &first.key, first.rule_source());
        rest.iter().fold(checks, |checks, each| checks.and(&each.key, each.rule_source()))
    }
}
