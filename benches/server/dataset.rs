//! A server with as many overrides, units, keys and policies as one node may have.

use std::{fmt::Write as _, ops::RangeInclusive};

use redis::Connection;

use crate::{
    Outcome,
    fill::{Fill, now_ms},
    host::Server,
    info,
    options::Options,
};

/// The keys of one script, few enough that a script does not block the server for seconds.
const BATCH: i64 = 50_000;
pub const DAY_MS: i64 = 86_400_000;
pub const POLICIES: u16 = 10_000;
/// The span of the units in the long log.
pub const SPAN_DAYS: i64 = 20;

/// Sets an override on each key.
const OVERRIDES: &str = "for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do
    redis.call('RL._APPLY', 'user:' .. i, 'OVERRIDE', ARGV[3], ARGV[4])
end";
/// Records three units at three instants on each key.
const SMALL_LOGS: &str = "for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do
    for unit = 0, 2 do
        redis.call('RL._RECORD', ARGV[3] + 1000 * unit, 1, 'key:' .. i, ARGV[4])
    end
end";

/// The data on the server.
pub struct Dataset {
    /// The number of overrides, of units in the long log, and of keys with a small log.
    pub size: i64,
    /// The number of the overrides, those set first, that have sixteen rules. The others deny.
    pub long_overrides: i64,
    /// The instant of the newest unit of the long log.
    pub newest_ms: i64,
}

impl Dataset {
    /// Fills the server: `user:1` and the following keys have an override, `key:1` and the following a log of three
    /// units, and `log` a unit at each of many instants.
    ///
    /// # Errors
    /// The server fails, or does not hold what was set.
    pub fn fill(options: &Options, server: &Server) -> Outcome<Self> {
        let size = if options.quick { 100_000 } else { 1_000_000 };
        let long_overrides = size / 20;
        let connection = &mut server.connect(0)?;
        let now = now_ms(connection)?;
        let sixteen = (1..=16)
            .fold("LIMIT -1".to_owned(), |text, days| format!("{text} 10000 {}ms", days * DAY_MS));
        on_keys(connection, OVERRIDES, 1..=long_overrides, now, &sixteen)?;
        on_keys(connection, OVERRIDES, long_overrides + 1..=size, now, "DENY -1")?;
        on_keys(connection, SMALL_LOGS, 1..=size, now - 10_000, &DAY_MS.to_string())?;
        let step_ms = SPAN_DAYS * DAY_MS / size;
        let oldest_ms = now - step_ms * size;
        let log = Fill { oldest_ms, step_ms, units: size, window_ms: 60 * DAY_MS };
        log.apply(connection, "log")?;
        redis::cmd("RL.POLICY").arg("IMPORT").arg(policies()).exec(connection)?;

        let keys: i64 = redis::cmd("DBSIZE").query(connection)?;
        let overrides = info::number(connection, "rl", "rl_overrides")?;
        if (keys, overrides) != (2 * size + 1, size) {
            return Err(format!("{keys} keys and {overrides} overrides were set").into());
        }
        Ok(Self { size, long_overrides, newest_ms: now })
    }
}

/// Runs a script for the keys of the numbers, with an instant and another argument.
fn on_keys(
    connection: &mut Connection,
    script: &str,
    numbers: RangeInclusive<i64>,
    instant: i64,
    argument: &str,
) -> Outcome<()> {
    let mut first = *numbers.start();
    while first <= *numbers.end() {
        let last = (first + BATCH - 1).min(*numbers.end());
        let mut command = redis::cmd("EVAL");
        command.arg(script).arg(0).arg(first).arg(last).arg(instant).arg(argument);
        command.exec(connection)?;
        first += BATCH;
    }
    Ok(())
}

/// Returns policies of two rules as JSON.
fn policies() -> String {
    let mut json = String::from("{\"policies\":[");
    for number in 0..POLICIES {
        let comma = if number == 0 { "" } else { "," };
        let rules = r#"[{"limit":100,"window":"1m"},{"limit":1000,"window":"1h"}]"#;
        // Writing to a string cannot fail.
        let _ = write!(json, r#"{comma}{{"name":"policy:{number:05}","rules":{rules}}}"#);
    }
    json.push_str("]}");
    json
}
