//! Runs the shared table of a limiter's steps, with the table's server and a clock that the steps move.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use ratelog_client::limiter::{Backend, BreakerState, Builder, Fallback};
use ratelog_client::{
    Check, Checks, Cost, Decision, Error, Mode, Policy, PolicyName, RateLimiter, Rule, RuleSource,
    Rules,
};
use ratelog_client_core::{Clock, ManualTime};
use ratelog_core::{Instant, wire};
use serde::Deserialize;
use serde_json::Value;

use crate::log::Log;
use crate::scripted_server::{Answer, ScriptedServer};
use crate::support::until;

/// Longer than any test. When a command should time out, the test advances the runtime's clock by it.
const TIMEOUT: Duration = Duration::from_secs(3_600);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(rename = "about")]
    _about: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    settings: Settings,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    url: Option<String>,
    fallback: String,
    failure_threshold: NonZeroU32,
    probe_max_interval: u64,
    deny_cache: usize,
    instances: NonZeroU32,
    backend: String,
    policies: HashMap<String, String>,
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
    fn builder(&self, url: &str, clock: Clock) -> Builder {
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
struct Step {
    at: u64,
    probe: Option<TableAnswer>,
    check: Option<KeyCheck>,
    peek: Option<KeyCheck>,
    mcheck: Option<MultiCheck>,
    refund: Option<Refund>,
    reset: Option<Key>,
    del_override: Option<Key>,
    #[serde(default)]
    server: HashMap<String, TableAnswers>,
    decision: Option<[i64; 6]>,
    decisions: Option<Vec<[i64; 6]>>,
    source: Option<String>,
    sources: Option<Vec<String>>,
    count: Option<u64>,
    raises: Option<String>,
    state: State,
    events: Vec<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum State {
    Closed,
    Open,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyCheck {
    key: String,
    rules: Option<Rules>,
    policy: Option<PolicyName>,
    cost: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MultiCheck {
    cost: u32,
    checks: Vec<KeyCheck>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refund {
    key: String,
    cost: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    key: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TableAnswers {
    One(TableAnswer),
    Several(Vec<TableAnswer>),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum TableAnswer {
    Reply(Value),
    Error(String),
    Fails(Failure),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Failure {
    ConnectionLost,
    Timeout,
}

impl TableAnswers {
    fn as_slice(&self) -> &[TableAnswer] {
        match self {
            Self::One(answer) => std::slice::from_ref(answer),
            Self::Several(answers) => answers,
        }
    }
}

impl TableAnswer {
    fn to_answer(&self) -> Answer {
        match self {
            Self::Reply(reply) => Answer::Reply(encode(reply)),
            Self::Error(text) => Answer::Reply(format!("-{text}\r\n").into()),
            Self::Fails(Failure::ConnectionLost) => Answer::Close,
            Self::Fails(Failure::Timeout) => Answer::Silence,
        }
    }
}

/// A reply in RESP3.
fn encode(value: &Value) -> Vec<u8> {
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

fn cost(units: u32) -> Cost {
    Cost::new(units).unwrap()
}

impl KeyCheck {
    fn check(&self) -> Check<'_> {
        let check = match (&self.rules, &self.policy) {
            (Some(rules), None) => Check::from(rules),
            (None, Some(policy)) => Check::from(policy),
            _ => panic!("{} has neither rules nor a policy, or both", self.key),
        };
        check.cost(cost(self.cost.unwrap_or(1)))
    }

    fn rule_source(&self) -> RuleSource<Rule, &PolicyName> {
        match self.check().rule_source() {
            RuleSource::Rules(rules) => RuleSource::Rules(rules.first()),
            RuleSource::Policy(name) => RuleSource::Policy(name),
        }
    }
}

impl MultiCheck {
    fn checks(&self) -> Checks<'_> {
        let (first, rest) = self.checks.split_first().unwrap();
        let checks = Checks::new(cost(self.cost), &first.key, first.rule_source());
        rest.iter().fold(checks, |checks, each| checks.and(&each.key, each.rule_source()))
    }
}

/// The result of an operation.
#[derive(Debug)]
enum Outcome {
    Decisions(Vec<Decision>),
    Count(u64),
}

impl Step {
    async fn operate(&self, limiter: &RateLimiter) -> Result<Outcome, Error> {
        let one = |decision| Outcome::Decisions(vec![decision]);
        if let Some(check) = &self.check {
            limiter.check(&check.key, check.check()).await.map(one)
        } else if let Some(check) = &self.peek {
            limiter.peek(&check.key, check.check()).await.map(one)
        } else if let Some(checks) = &self.mcheck {
            limiter.mcheck(&checks.checks()).await.map(Outcome::Decisions)
        } else if let Some(refund) = &self.refund {
            limiter.refund(&refund.key, cost(refund.cost)).await.map(Outcome::Count)
        } else if let Some(Key { key }) = &self.reset {
            limiter.reset(key).await.map(Outcome::Count)
        } else {
            let Key { key } = self.del_override.as_ref().unwrap();
            limiter.del_override(key).await.map(|existed| Outcome::Count(existed.into()))
        }
    }

    fn assert_outcome(&self, result: Result<Outcome, Error>, place: &str) {
        if let Some(text) = &self.raises {
            let error = result.expect_err(place).to_string();
            assert!(error.contains(text.as_str()), "{place}: {error}");
            return;
        }
        match result.unwrap_or_else(|error| panic!("{place}: {error}")) {
            Outcome::Count(count) => assert_eq!(Some(count), self.count, "{place}"),
            Outcome::Decisions(decisions) => {
                let expected = match (&self.decision, &self.decisions) {
                    (Some(decision), None) => std::slice::from_ref(decision),
                    (None, Some(decisions)) => decisions,
                    _ => panic!("{place} has neither a decision nor decisions, or both"),
                };
                let actual = decisions.iter().map(|decision| wire::encode(decision.as_core()));
                assert_eq!(actual.collect::<Vec<_>>(), expected, "{place}");
                let sources: Vec<_> = decisions.iter().map(|d| d.source().as_str()).collect();
                assert_eq!(sources, self.expected_sources(decisions.len()), "{place}");
            }
        }
    }

    fn expected_sources(&self, decisions: usize) -> Vec<&str> {
        match (&self.source, &self.sources) {
            (Some(source), None) => vec![source; decisions],
            (None, Some(sources)) => sources.iter().map(String::as_str).collect(),
            _ => panic!("the step has neither a source nor sources, or both"),
        }
    }

    fn times_out(&self) -> bool {
        let answers = self.server.values().flat_map(TableAnswers::as_slice);
        answers.into_iter().any(|answer| matches!(answer, TableAnswer::Fails(Failure::Timeout)))
    }
}

/// A case in progress.
struct LimiterCase {
    server: ScriptedServer,
    limiter: RateLimiter,
    time: ManualTime,
}

impl LimiterCase {
    /// Builds the limiter of a case. If it has a server, this is the first probe.
    async fn start(case: &Case) -> Self {
        let server = ScriptedServer::start().await;
        let (clock, time) = Clock::manual(Instant::from_clock(1_700_000_000_000));
        let probe = case.steps.first().and_then(|step| step.probe.as_ref());
        assert_ne!(probe.is_some(), case.settings.url.is_some(), "{}", case.name);
        if let Some(answer) = probe {
            server.answer_probes(answer.to_answer());
        }
        let limiter = case.settings.builder(&server.url(), clock).build().await.unwrap();
        server.answer_probes(Answer::Close);
        Self { server, limiter, time }
    }

    async fn run(&self, step: &Step, place: &str) {
        self.time.set(Duration::from_millis(step.at));
        if let Some(answer) = &step.probe {
            self.probe(answer, step.state).await;
            return;
        }
        for (command, answers) in &step.server {
            let answers = answers.as_slice().iter().map(TableAnswer::to_answer);
            self.server.expect(command, answers);
        }
        let operation = step.operate(&self.limiter);
        let result = if step.times_out() {
            tokio::join!(operation, self.let_a_command_time_out()).0
        } else {
            operation.await
        };
        step.assert_outcome(result, place);
        let fetches = step.server.contains_key("RL.POLICY");
        let is_decided = step.source.as_deref() == Some("module");
        if fetches && !is_decided {
            // This client fetches a policy after a check that the server decided.
            self.server.forget("RL.POLICY");
        }
        self.server.until_all_answered(place).await;
        if fetches && is_decided {
            self.until_policy_is_stored().await;
        }
    }

    /// Waits until a probe got this answer and the limiter has read it.
    async fn probe(&self, answer: &TableAnswer, state: State) {
        let probes = self.server.probes();
        self.server.answer_probes(answer.to_answer());
        until("a probe", async || match state {
            State::Closed => self.state() == State::Closed,
            // There is one probe at a time, so the limiter has read the answer to the one before.
            State::Open => self.server.probes() >= probes + 2,
        })
        .await;
        self.server.answer_probes(Answer::Close);
    }

    async fn let_a_command_time_out(&self) {
        let silences = self.server.silences();
        until("a command that is not answered", async || self.server.silences() > silences).await;
        tokio::time::pause();
        tokio::time::advance(TIMEOUT).await;
        tokio::time::resume();
    }

    /// Waits until the limiter has stored a policy that the server sent: a later reply on the same connection has
    /// arrived, and every task that a reply woke has run.
    async fn until_policy_is_stored(&self) {
        self.server.expect("RL.REFUND", [Answer::Reply(b":0\r\n".into())]);
        self.limiter.refund("a key of no step", Cost::ONE).await.unwrap();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    /// Half-open is open: when probes begin and end is not the table's.
    fn state(&self) -> State {
        match self.limiter.health().state {
            BreakerState::Closed => State::Closed,
            BreakerState::Open | BreakerState::HalfOpen => State::Open,
        }
    }
}

#[tokio::test]
async fn a_limiter_passes_the_cases() {
    let table = include_str!("../../../../tests/limiter_cases.json");
    let table: Table = serde_json::from_str(table).unwrap();
    assert!(!table.cases.is_empty());
    let (log, _guard) = Log::capture();
    for case in &table.cases {
        log.take_events();
        let limiter = LimiterCase::start(case).await;
        for (index, step) in case.steps.iter().enumerate() {
            let place = format!("{}, step {index}", case.name);
            let is_first_probe = index == 0 && step.probe.is_some();
            if !is_first_probe {
                limiter.run(step, &place).await;
            }
            assert_eq!(limiter.state(), step.state, "{place}");
            assert_eq!(log.take_events(), step.events, "{place}");
        }
    }
}
