//! Runs the shared table of a limiter's steps, with the table's server and a clock that the steps move.

mod table;

use std::time::Duration;

use ratelog_client::limiter::BreakerState;
use ratelog_client::{Cost, Decisions, Error, RateLimiter};
use ratelog_client_core::{Clock, ManualTime};
use ratelog_core::{Instant, wire};

use self::table::{
    Case, Failure, Key, State, Step, TIMEOUT, Table, TableAnswer, TableAnswers, cost,
};
use crate::log::Log;
use crate::scripted_server::{Answer, ScriptedServer};
use crate::support::until;

/// The result of an operation.
#[derive(Debug)]
enum Outcome {
    Decisions(Decisions),
    Count(u64),
}

impl Step {
    async fn operate(&self, limiter: &RateLimiter) -> Result<Outcome, Error> {
        let one = |decision| Outcome::Decisions(vec![decision].into());
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
    let table = include_str!("../../../../../tests/limiter_cases.json");
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
            let mut events = log.take_events();
            // Logged at most once in ten seconds.
            events.retain(|event| event != "unanswered");
            assert_eq!(events, step.events, "{place}");
        }
    }
}
