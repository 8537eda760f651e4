//! Clients that check keys in the background and count the replies.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use redis::Value;

use super::wait::until;
use super::{Client, ClusterClient, Decision};

/// The number of checks that share one `WAIT`. The last ones before a fault stay unacknowledged.
const CHECKS_PER_WAIT: usize = 4;

/// Errors of a server that cannot decide, or no longer can.
const REJECTIONS: [&str; 8] = [
    "connection",
    "MOVED",
    "CLUSTERDOWN",
    "READONLY",
    "NOREPLICAS",
    "MASTERDOWN",
    "UNBLOCKED",
    "ERR WAIT cannot be used with replica instances",
];

/// The replies for one key, in units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub allowed: i64,
    pub denied: i64,
    /// Allowed units that a replica acknowledged through `WAIT 1`.
    pub acknowledged: i64,
    /// Units whose check got no reply. The server may have recorded them.
    pub unanswered: i64,
}

impl Tally {
    /// Returns the allowed units that no replica has acknowledged.
    pub fn unacknowledged(&self) -> i64 {
        self.allowed - self.acknowledged
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.allowed += other.allowed;
        self.denied += other.denied;
        self.acknowledged += other.acknowledged;
        self.unanswered += other.unanswered;
    }
}

pub type Tallies = BTreeMap<String, Tally>;

/// Sends commands.
pub trait Caller: Send + 'static {
    fn call(&mut self, command: &str) -> Result<Value, String>;
}

impl Caller for Client {
    fn call(&mut self, command: &str) -> Result<Value, String> {
        self.attempt(command)
    }
}

impl Caller for ClusterClient {
    fn call(&mut self, command: &str) -> Result<Value, String> {
        self.attempt(command)
    }
}

pub struct Checks {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Tallies>>,
}

impl Checks {
    /// Starts callers that check each key in turn under `rules`. A caller ends when you stop it or when its
    /// server rejects a check.
    pub fn start(
        callers: impl IntoIterator<Item = impl Caller>,
        keys: &[&str],
        rules: &str,
    ) -> Self {
        Self::launch(callers, keys, rules, false)
    }

    /// Like [`Self::start`], but each caller also waits until a replica has the recorded units.
    pub fn start_acknowledged(
        callers: impl IntoIterator<Item = impl Caller>,
        keys: &[&str],
        rules: &str,
    ) -> Self {
        Self::launch(callers, keys, rules, true)
    }

    fn launch(
        callers: impl IntoIterator<Item = impl Caller>,
        keys: &[&str],
        rules: &str,
        waits: bool,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let answers = Arc::new(AtomicU64::new(0));
        let threads = callers
            .into_iter()
            .map(|caller| {
                let commands = keys
                    .iter()
                    .map(|key| ((*key).to_owned(), format!("RL.CHECK {key} {rules}")))
                    .collect();
                let mut checker = Checker {
                    caller,
                    commands,
                    waits,
                    tallies: Tallies::new(),
                    pending: Vec::new(),
                };
                let (stop, answers) = (Arc::clone(&stop), Arc::clone(&answers));
                std::thread::spawn(move || {
                    checker.check_until(&stop, &answers);
                    checker.tallies
                })
            })
            .collect();
        Self { stop, answers, threads }
    }

    /// Waits until the callers have received `decisions` more decisions.
    #[track_caller]
    pub fn advance(&self, decisions: u64) {
        let goal = self.answers.load(Ordering::Relaxed) + decisions;
        until("the callers make progress", || self.answers.load(Ordering::Relaxed) >= goal);
    }

    /// Waits until the servers of all callers rejected a command or closed the connection.
    #[track_caller]
    pub fn until_refused(self) -> Tallies {
        until("every caller is rejected", || self.threads.iter().all(JoinHandle::is_finished));
        self.stop()
    }

    /// Stops the clients and returns their counts.
    #[track_caller]
    pub fn stop(self) -> Tallies {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Tallies::new();
        for thread in self.threads {
            for (key, tally) in thread.join().expect("no caller failed") {
                *all.entry(key).or_default() += tally;
            }
        }
        all
    }
}

struct Checker<C> {
    caller: C,
    /// Pairs of a key and the command that checks it.
    commands: Vec<(String, String)>,
    waits: bool,
    tallies: Tallies,
    /// The keys of units that no replica has acknowledged yet.
    pending: Vec<String>,
}

impl<C: Caller> Checker<C> {
    fn check_until(&mut self, stop: &AtomicBool, answers: &AtomicU64) {
        for place in (0..self.commands.len()).cycle() {
            if stop.load(Ordering::Relaxed) {
                self.acknowledge();
                return;
            }
            if !self.check(place) {
                return;
            }
            answers.fetch_add(1, Ordering::Relaxed);
            if self.pending.len() >= CHECKS_PER_WAIT && !self.acknowledge() {
                return;
            }
        }
    }

    /// Sends one check. Returns false if the server rejected it or is gone.
    fn check(&mut self, place: usize) -> bool {
        let (key, command) = &self.commands[place];
        let tally = self.tallies.entry(key.clone()).or_default();
        match self.caller.call(command) {
            Ok(reply) => {
                let decision: Decision = redis::from_redis_value(reply).expect("a decision");
                if decision.allowed {
                    tally.allowed += 1;
                    self.pending.push(key.clone());
                } else {
                    tally.denied += 1;
                }
                true
            }
            Err(error) => {
                assert_refusal(command, &error);
                tally.unanswered += i64::from(error.starts_with("connection"));
                false
            }
        }
    }

    /// Counts the units that a replica has. Returns false if the server rejected the `WAIT` or is gone.
    fn acknowledge(&mut self) -> bool {
        if !self.waits {
            self.pending.clear();
            return true;
        }
        match self.caller.call("WAIT 1 1000") {
            Ok(Value::Int(0)) => true,
            Ok(_) => {
                for key in self.pending.drain(..) {
                    self.tallies.entry(key).or_default().acknowledged += 1;
                }
                true
            }
            Err(error) => {
                assert_refusal("WAIT", &error);
                false
            }
        }
    }
}

fn assert_refusal(command: &str, error: &str) {
    let known = REJECTIONS.iter().any(|start| error.starts_with(start));
    assert!(known, "{command} failed: {error}");
}
