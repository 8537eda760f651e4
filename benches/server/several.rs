//! Compares checks of three keys at once with three checks of one key each. All pipelines have the same number
//! of keys.

use ratelog_test_support::Samples;

use crate::{
    Outcome, host::Server, load::Load, options::Options, rounds::on_every_key, subject::words,
};

const DATABASE: u8 = 0;
const KEYS: u16 = 3;
/// Checks of three keys in a pipeline, enough that the server accounts for most of the time.
const GROUPS: u16 = 16;
const ONE: &str = "RL.CHECK {key} 100000 60";
const ALL: &str = "RL.MCHECK 1 {key} 100000 60 {key} 100000 60 {key} 100000 60";

/// Times for three keys in microseconds. Each round measures one kind after the other.
#[derive(Default)]
pub struct Several {
    pub pipelined: Samples,
    pub at_once: Samples,
}

/// # Errors
/// The server fails.
pub fn run(options: &Options, server: &Server) -> Outcome<Several> {
    let connection = &mut server.connect(DATABASE)?;
    let mut several = Several::default();
    for round in 1..=options.rounds() {
        eprintln!("three keys, round {round} of {}", options.rounds());
        for _ in 0..10 {
            on_every_key(connection, &words(ONE))?;
        }
        let groups = options.pipelined_calls() / 2;
        let run = |command: &str, calls: u64, pipeline: u16| {
            let command = &words(command);
            Load { port: server.port, database: DATABASE, command, calls, pipeline }.run()
        };
        let checks = run(ONE, groups * u64::from(KEYS), GROUPS * KEYS)?;
        several.pipelined.push(1e6 * f64::from(KEYS) / checks);
        several.at_once.push(1e6 / run(ALL, groups, GROUPS)?);
        redis::cmd("FLUSHDB").arg("SYNC").exec(connection)?;
    }
    Ok(several)
}
