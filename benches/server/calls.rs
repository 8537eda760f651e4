//! The calls whose worst case is measured.

use redis::Value;

use crate::{
    Outcome,
    dataset::{DAY_MS, Dataset, POLICIES, SPAN_DAYS},
};

/// The default of `rl.max-keys`.
const MAX_KEYS: i64 = 1_024;
/// The milliseconds of a call with its default `COUNT` or without one.
const DEFAULT: Option<f64> = Some(1.0);
/// The milliseconds of a call with its largest `COUNT`, with the most keys, or for all policies.
const LARGEST: Option<f64> = Some(10.0);

pub struct Call {
    pub name: String,
    /// The command of each run.
    pub commands: Vec<String>,
    pub database: u8,
    /// The most milliseconds that the call should take.
    pub goal: Option<f64>,
    reply: Reply,
}

/// The expected reply.
enum Reply {
    Any,
    /// The first integer, of the first array if there are arrays in the reply.
    First(i64),
    /// The length of an array.
    Length(usize),
    /// The length of the array after a cursor.
    Page(usize),
}

impl Call {
    /// # Errors
    /// The reply is not the expected one.
    pub fn verify(&self, reply: &Value) -> Outcome<()> {
        let is_expected = match (&self.reply, reply) {
            (Reply::Any, _) => true,
            (Reply::First(expected), reply) => first(reply) == Some(*expected),
            (Reply::Length(expected), Value::Array(items)) => items.len() == *expected,
            (Reply::Page(expected), Value::Array(page)) => {
                matches!(&page[..], [_, Value::Array(items)] if items.len() == *expected)
            }
            (Reply::Length(_) | Reply::Page(_), _) => false,
        };
        if is_expected {
            Ok(())
        } else {
            Err(format!("the reply of {} is wrong", self.name).into())
        }
    }
}

fn first(reply: &Value) -> Option<i64> {
    match reply {
        Value::Int(number) => Some(*number),
        Value::Array(items) => items.first().and_then(first),
        _ => None,
    }
}

/// Collects calls.
struct Calls {
    runs: i64,
    calls: Vec<Call>,
}

impl Calls {
    /// Adds a call that has another command in each run.
    fn add(
        &mut self,
        name: &str,
        goal: Option<f64>,
        reply: Reply,
        command: impl Fn(i64) -> String,
    ) -> &mut Call {
        let commands = (0..self.runs).map(command).collect();
        let index = self.calls.len();
        self.calls.push(Call { name: name.to_owned(), commands, database: 0, goal, reply });
        &mut self.calls[index]
    }

    /// Adds a call whose name is its command.
    fn same(&mut self, command: &str, goal: Option<f64>, reply: Reply) {
        self.add(&format!("`{command}`"), goal, reply, |_| command.to_owned());
    }

    /// Adds pages of the overrides after another cursor in each run.
    fn overrides(&mut self, dataset: &Dataset) {
        let (long, size) = (dataset.long_overrides, dataset.size);
        for (options, page, goal) in [
            ("", 100, DEFAULT),
            (" COUNT 1", 1, DEFAULT),
            (" COUNT 1000", 1_000, LARGEST),
            (" COUNT 1000 MATCH user:*", 1_000, LARGEST),
            (" COUNT 1000 MATCH *1*2*3*x", 0, LARGEST),
        ] {
            let name = format!("`RL.OVERRIDE LIST{options}`");
            self.add(&name, goal, Reply::Page(page), |run| {
                format!("RL.OVERRIDE LIST CURSOR {}{options}", long + run * (size - long) / 10)
            });
        }
        for (options, page, goal) in [("", 100, DEFAULT), (" COUNT 1000", 1_000, LARGEST)] {
            let name = format!("`RL.OVERRIDE LIST{options}`, each override of 16 rules");
            self.add(&name, goal, Reply::Page(page), |run| {
                format!("RL.OVERRIDE LIST CURSOR {}{options}", run * long / 10)
            });
        }
    }

    /// Adds reads and checks of the long log.
    fn long_log(&mut self, dataset: &Dataset, explains: bool) {
        self.same("RL.HITS log", DEFAULT, Reply::Length(1_000));
        self.same("RL.HITS log COUNT 10000", LARGEST, Reply::Length(10_000));
        let name = "`RL.HITS log COUNT 10000 BEFORE` an instant in the middle";
        self.add(name, LARGEST, Reply::Length(10_000), |run| {
            let days = SPAN_DAYS / 2 - 4 + run;
            format!("RL.HITS log COUNT 10000 BEFORE {}", dataset.newest_ms - days * DAY_MS)
        });
        self.same("RL.INSPECT log", DEFAULT, Reply::Any);
        let sixteen = |command: &str, limit: i64| {
            (1..=16).fold(command.to_owned(), |command, days| format!("{command} {limit} {days}d"))
        };
        for (command, outcome, limit) in [
            ("RL.CHECK log", "allowed", 1_000_000),
            ("RL.CHECK log", "denied", 1_000),
            ("RL.PEEK log", "denied", 1_000),
            ("RL.EXPLAIN log", "denied", 1_000),
        ] {
            if command.contains("EXPLAIN") && !explains {
                continue;
            }
            let name = format!("`{command}` under 16 rules, {outcome}");
            let reply = match (outcome, command) {
                (_, "RL.EXPLAIN log") => Reply::Any,
                ("allowed", _) => Reply::First(1),
                _ => Reply::First(0),
            };
            self.add(&name, DEFAULT, reply, |_| sixteen(command, limit));
        }
    }

    /// Adds checks of many keys with small logs, of other keys in each run.
    fn many_keys(&mut self, dataset: &Dataset) {
        let tenth = dataset.size / 10;
        for (outcome, limit) in [("allowed", 100), ("denied", 2)] {
            let name = format!("`RL.MCHECK` of 1,024 keys, {outcome}");
            let reply = Reply::First(i64::from(outcome == "allowed"));
            self.add(&name, LARGEST, reply, |run| {
                (0..MAX_KEYS).fold("RL.MCHECK 1".to_owned(), |command, key| {
                    let number = 1 + run * tenth + key * (tenth / MAX_KEYS);
                    format!("{command} key:{number} {limit} 1d")
                })
            });
        }
    }

    /// Adds calls about the node, and calls of the server that the module takes part in.
    fn node(&mut self) {
        self.same("RL.POLICY GET policy:05000", DEFAULT, Reply::Any);
        self.same("RL.POLICY LIST", LARGEST, Reply::Length(POLICIES.into()));
        self.same("RL.POLICY EXPORT", LARGEST, Reply::Any);
        self.same("RL.STATS", LARGEST, Reply::Any);
        self.same("RL.TOP CHECKED", DEFAULT, Reply::Length(10));
        self.same("RL.TOP CHECKED COUNT 1000", LARGEST, Reply::Length(1_000));
        self.same("INFO rl", DEFAULT, Reply::Any);
        for (name, command, database, goal) in [
            ("`SWAPDB` of two empty databases", "SWAPDB 20 21", 0, DEFAULT),
            ("`FLUSHDB ASYNC` of an empty database", "FLUSHDB ASYNC", 20, DEFAULT),
            ("the server's `DUMP` of the log", "DUMP log", 0, None),
            ("the server's `DEBUG DIGEST-VALUE` of the log", "DEBUG DIGEST-VALUE log", 0, None),
        ] {
            self.add(name, goal, Reply::Any, |_| command.to_owned()).database = database;
        }
    }
}

/// Returns the calls with a command for each run. `explains` is whether the module has `RL.EXPLAIN`.
pub fn all(dataset: &Dataset, runs: i64, explains: bool) -> Vec<Call> {
    let mut calls = Calls { runs, calls: Vec::new() };
    calls.overrides(dataset);
    calls.long_log(dataset, explains);
    calls.many_keys(dataset);
    calls.node();
    calls.calls
}
