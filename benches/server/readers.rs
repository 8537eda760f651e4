//! The longest single calls of the commands that read, on a server that is full.

use std::fmt::Write as _;

use redis::{Cmd, Value};

use ratelog_test_support::Samples;

use crate::{
    Outcome,
    calls::{self, Call},
    dataset::{Dataset, POLICIES},
    host::Server,
    machine,
    options::Options,
    report::target_cell,
    slow_log::timed,
    subject::words,
};

/// The number of calls of each kind.
const RUNS: i64 = 9;
/// The largest value of `rl.top-k`.
const TOP_K: u16 = 1_000;

pub struct Readers {
    server: String,
    size: i64,
    explains: bool,
    /// Each call and its durations in milliseconds.
    measured: Vec<(Call, Samples)>,
}

/// # Errors
/// The server fails, or a reply is wrong.
pub fn run(options: &Options) -> Outcome<Readers> {
    eprintln!("a full server");
    let server = Server::start(options)?;
    let connection = &mut server.connect(0)?;
    redis::cmd("CONFIG").arg("SET").arg("rl.top-k").arg(TOP_K).exec(connection)?;
    let dataset = Dataset::fill(options, &server)?;
    let known: Vec<Value> =
        redis::cmd("COMMAND").arg("INFO").arg("RL.EXPLAIN").query(connection)?;
    let explains = known != [Value::Nil];
    let mut measured = Vec::new();
    for call in calls::all(&dataset, RUNS, explains) {
        let connection = &mut server.connect(call.database)?;
        let mut milliseconds = Samples::default();
        for command in &call.commands {
            let (reply, usec) = timed(connection, Cmd::new().arg(words(command)))?;
            call.verify(&reply)?;
            milliseconds.push(f64::from(usec) / 1000.0);
        }
        measured.push((call, milliseconds));
    }
    let server = machine::server(connection)?;
    Ok(Readers { server, size: dataset.size, explains, measured })
}

impl Readers {
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        let size = thousands(self.size);
        let _ = writeln!(
            text,
            "\n## Worst cases: {}\n\nServer time of single calls in milliseconds by the slow log, {RUNS} of each. The \
             server holds {size} overrides, {size} keys with three units, a log of {size} units with random gaps, and \
             {} policies of two rules; `rl.top-k` is {}. The goal for the longest call is 1 ms with the default `COUNT` \
             or none, and 10 ms with the largest, with 1,024 keys and for all policies. (Calls are timed by the wall \
             clock: if the server shares its core, pauses by the scheduler count.)\n\n\
             | call | median | longest | goal | |\n| --- | --- | --- | --- | --- |",
            self.server,
            thousands(POLICIES.into()),
            thousands(TOP_K.into()),
        );
        for (call, samples) in &self.measured {
            let (median, longest) = (samples.median(), samples.most());
            let target = target_cell(call.goal.map(|goal| (format!("<= {goal}"), longest <= goal)));
            let _ = writeln!(text, "| {} | {median:.3} | {longest:.3} | {target} |", call.name);
        }
        let _ = writeln!(text, "\n{}", self.missed());
        if !self.explains {
            text.push_str("\nThis module has no `RL.EXPLAIN`.\n");
        }
        text
    }

    /// Names the calls that miss their goal.
    fn missed(&self) -> String {
        let (mut usually, mut at_worst) = (Vec::new(), Vec::new());
        for (call, samples) in &self.measured {
            match call.goal {
                Some(goal) if samples.median() > goal => usually.push(call.name.as_str()),
                Some(goal) if samples.most() > goal => at_worst.push(call.name.as_str()),
                _ => {}
            }
        }
        let mut sentences = Vec::new();
        if usually.is_empty() && at_worst.is_empty() {
            sentences.push("Every call meets its goal.".to_owned());
        }
        if !usually.is_empty() {
            sentences.push(format!("These calls miss their goal: {}.", usually.join("; ")));
        }
        if !at_worst.is_empty() {
            let names = at_worst.join("; ");
            sentences.push(format!(
                "The median meets the goal and the longest call misses it: {names}."
            ));
        }
        sentences.join(" ")
    }
}

/// Writes a number with commas.
fn thousands(number: i64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
