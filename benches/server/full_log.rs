//! The same check on a full log of ten units and on a full log of a million units, with one key each.

use std::{thread::sleep, time::Duration};

use redis::Connection;

use ratelog_test_support::Samples;

use crate::{
    Outcome,
    fill::{Fill, now_ms},
    host::Server,
    info::CommandStats,
    load::Load,
    options::Options,
    subject::words,
};

const DATABASE: u8 = 0;
const MILLION: i64 = 1_000_000;
/// Two bursts record ten units. At the third, the first burst has expired and the key still exists.
const BURST: usize = 5;
const PAUSE: Duration = Duration::from_millis(8);
const SHORT_WINDOW_MS: i64 = 15;

#[derive(Default)]
pub struct FullLogs {
    pub denied_ten: Samples,
    pub denied_million: Samples,
    pub sliding_ten: Samples,
    pub sliding_million: Samples,
}

/// # Errors
/// The server fails, or a decision is wrong for its log.
pub fn run(options: &Options, server: &Server) -> Outcome<FullLogs> {
    let connection = &mut server.connect(DATABASE)?;
    let mut logs = FullLogs::default();
    for round in 1..=options.rounds() {
        eprintln!("full logs, round {round} of {}", options.rounds());
        redis::cmd("FLUSHDB").arg("SYNC").exec(connection)?;
        fill_up(connection, "ten", 10, 3_600_000)?;
        logs.denied_ten.push(denied(options, server, "RL.CHECK ten 10 3600")?);

        let now = now_ms(connection)?;
        Fill::million(now, 3_600_000).apply(connection, "million")?;
        fill_up(connection, "million", MILLION, 3_600_000)?;
        logs.denied_million.push(denied(options, server, "RL.CHECK million 1000000 3600")?);

        redis::cmd("FLUSHDB").arg("SYNC").exec(connection)?;
        logs.sliding_ten.push(sliding(options, connection, "ten", 10, SHORT_WINDOW_MS)?);
        let now = now_ms(connection)?;
        Fill::million(now, MILLION).apply(connection, "million")?;
        fill_up(connection, "million", MILLION, MILLION)?;
        logs.sliding_million.push(sliding(options, connection, "million", MILLION, MILLION)?);
    }
    redis::cmd("FLUSHDB").arg("SYNC").exec(connection)?;
    Ok(logs)
}

/// Uses up the limit.
fn fill_up(connection: &mut Connection, key: &str, limit: i64, window_ms: i64) -> Outcome<()> {
    let window = format!("{window_ms}ms");
    let peek: Vec<i64> =
        redis::cmd("RL.PEEK").arg(key).arg(limit).arg(&window).query(connection)?;
    if peek[2] > 0 {
        let check = redis::cmd("RL.CHECK")
            .arg(key)
            .arg(limit)
            .arg(&window)
            .arg("COST")
            .arg(peek[2])
            .query::<Vec<i64>>(connection)?;
        expect_allowed(key, &check)?;
    }
    Ok(())
}

/// Checks one full key from fifty connections. No check may be allowed.
fn denied(options: &Options, server: &Server, check: &str) -> Outcome<f64> {
    let connection = &mut server.connect(DATABASE)?;
    let command = words(check);
    let units = |connection: &mut Connection| -> Outcome<i64> {
        Ok(redis::cmd("RL.PEEK")
            .arg(&command[1])
            .arg(MILLION)
            .arg(3600)
            .query::<Vec<i64>>(connection)?[2])
    };
    let before = units(connection)?;
    CommandStats::reset(connection)?;
    let calls = options.single_calls();
    let load =
        Load { port: server.port, database: DATABASE, command: &command, calls, pipeline: 1 };
    load.run()?;
    let usec = CommandStats::read(connection, "rl.check")?.usec_per_call();
    if units(connection)? != before {
        return Err(format!("{check} allowed some of its calls").into());
    }
    Ok(usec)
}

/// Checks one full key as fast as its units expire. Every check must be allowed.
fn sliding(
    options: &Options,
    connection: &mut Connection,
    key: &str,
    limit: i64,
    window_ms: i64,
) -> Outcome<f64> {
    CommandStats::reset(connection)?;
    for _ in 0..if options.quick { 50 } else { 400 } {
        sleep(PAUSE);
        let mut pipeline = redis::pipe();
        for _ in 0..BURST {
            pipeline.cmd("RL.CHECK").arg(key).arg(limit).arg(format!("{window_ms}ms"));
        }
        for reply in pipeline.query::<Vec<Vec<i64>>>(connection)? {
            expect_allowed(key, &reply)?;
        }
    }
    Ok(CommandStats::read(connection, "rl.check")?.usec_per_call())
}

/// # Errors
/// The check was denied.
pub fn expect_allowed(key: &str, decision: &[i64]) -> Outcome<()> {
    if decision.first() == Some(&1) {
        return Ok(());
    }
    Err(format!("the check of {key} returned {decision:?}").into())
}
