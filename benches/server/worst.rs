//! The longest single check: a million units have expired.

use redis::Connection;

use ratelog_test_support::Samples;

use crate::{
    Outcome,
    fill::{Fill, now_ms},
    full_log::expect_allowed,
    host::Server,
    options::Options,
    slow_log::timed,
    subject::words,
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
    let mut command = redis::cmd("RL.CHECK");
    command.arg("worst").arg(words(rule));
    let (reply, usec) = timed(connection, &command)?;
    expect_allowed("worst", &redis::from_redis_value::<Vec<i64>>(reply)?)?;
    Ok(f64::from(usec))
}
