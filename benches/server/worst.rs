//! The longest single check: a million units have expired.

use redis::{Connection, Value};

use ratelog_test_support::Samples;

use crate::{
    Outcome,
    fill::{Fill, now_ms},
    full_log::expect_allowed,
    host::Server,
    options::Options,
};

const HOUR_MS: i64 = 3_600_000;
const MILLION: i64 = 1_000_000;

/// The duration of one check in microseconds according to the slow log.
#[derive(Default)]
pub struct Worst {
    /// A million units are outside the window, but a longer window retains them.
    pub skipped: Samples,
    /// Nearly a million units are past the retention, and the check drops them all.
    pub dropped: Samples,
}

/// # Errors
/// The server fails, or a check is denied.
pub fn run(options: &Options, server: &Server) -> Outcome<Worst> {
    let connection = &mut server.connect(0)?;
    let mut worst = Worst::default();
    for round in 1..=options.rounds() {
        eprintln!("a million expired units, round {round} of {}", options.rounds());
        let now = now_ms(connection)?;
        let skipped = Fill::million(now - HOUR_MS, 24 * HOUR_MS);
        worst.skipped.push(check(connection, &skipped, "1000000 3600")?);

        // The newest unit retains the key for ten more seconds. The other units have expired.
        let now = now_ms(connection)?;
        let dropped = Fill::million(now - MILLION + 10_000, MILLION);
        worst.dropped.push(check(connection, &dropped, "1000000 1000")?);
    }
    Ok(worst)
}

fn check(connection: &mut Connection, fill: &Fill, rule: &str) -> Outcome<f64> {
    redis::cmd("FLUSHDB").arg("SYNC").exec(connection)?;
    fill.apply(connection, "worst")?;
    log_slower_than(connection, 0)?;
    redis::cmd("SLOWLOG").arg("RESET").exec(connection)?;
    let mut command = redis::cmd("RL.CHECK");
    command.arg("worst");
    for word in rule.split(' ') {
        command.arg(word);
    }
    let decision: Vec<i64> = command.query(connection)?;
    expect_allowed("worst", &decision)?;
    let usec = entries(connection)?
        .into_iter()
        .find_map(|(command, usec)| (command == "rl.check").then_some(usec))
        .ok_or("the slow log has no RL.CHECK")?;
    log_slower_than(connection, 1000)?;
    Ok(f64::from(usec))
}

fn log_slower_than(connection: &mut Connection, usec: u32) -> Outcome<()> {
    let mut command = redis::cmd("CONFIG");
    Ok(command.arg("SET").arg("slowlog-log-slower-than").arg(usec).exec(connection)?)
}

/// Returns the number of a command's calls in the slow log that took over a millisecond, and the longest.
pub fn slow_calls(connection: &mut Connection, name: &str) -> Outcome<(usize, u32)> {
    let entries = entries(connection)?;
    let slow = entries.into_iter().filter(|(command, _)| command == name).map(|(_, usec)| usec);
    Ok(slow.fold((0, 0), |(calls, longest), usec| (calls + 1, longest.max(usec))))
}

/// Returns the command and the microseconds of each entry in the slow log.
fn entries(connection: &mut Connection) -> Outcome<Vec<(String, u32)>> {
    let log: Vec<Vec<Value>> = redis::cmd("SLOWLOG").arg("GET").arg(-1).query(connection)?;
    log.into_iter()
        .map(|entry| {
            let words: Vec<String> = redis::from_redis_value(entry[3].clone())?;
            Ok((words[0].to_lowercase(), redis::from_redis_value(entry[2].clone())?))
        })
        .collect()
}
