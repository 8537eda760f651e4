//! The memory of logs: `MEMORY USAGE` of one key, and the growth of `used_memory` with many keys.

use redis::Connection;

use crate::{
    Outcome,
    fill::{Fill, now_ms},
    host::Server,
    info,
};

const MINUTE_MS: i64 = 60_000;

/// One kind of key.
pub struct Memory {
    pub name: &'static str,
    pub units: i64,
    /// Bytes of one key according to `MEMORY USAGE`.
    pub reported: i64,
    /// Bytes by which `used_memory` grew per key, everything included.
    pub grown: i64,
}

/// # Errors
/// The server fails.
pub fn run(server: &Server, quick: bool) -> Outcome<Vec<Memory>> {
    eprintln!("memory");
    let connection = &mut server.connect(0)?;
    let mut rows = Vec::new();
    let keys = if quick { 100 } else { 1000 };
    for (name, window_ms, units, keys) in [
        ("log, 1,000 units over 60 s", MINUTE_MS, 1000, keys),
        ("log, 1,000 units over 1 h", 60 * MINUTE_MS, 1000, keys),
        ("log, 1,000 units over 1 day", 24 * 60 * MINUTE_MS, 1000, keys),
        ("log, 10 units over 60 s", MINUTE_MS, 10, 10 * keys),
        ("log, 10 units over 1 h", 60 * MINUTE_MS, 10, 10 * keys),
        ("log, 10 units over 1 day", 24 * 60 * MINUTE_MS, 10, 10 * keys),
    ] {
        let make = |connection: &mut Connection, key: &str| {
            // The retention is twice the span, so that nothing expires during the measurement.
            let oldest_ms = now_ms(connection)? - window_ms;
            let step_ms = window_ms / units;
            let window_ms = 2 * window_ms;
            Fill { oldest_ms, step_ms, units, window_ms }.apply(connection, key)
        };
        rows.push(measure(connection, name, units, keys, &make)?);
    }
    for (name, units, keys) in
        [("sorted set, 1,000 members", 1000, keys), ("sorted set, 10 members", 10, 10 * keys)]
    {
        let make = |connection: &mut Connection, key: &str| {
            let newest = now_ms(connection)? * 1000;
            let mut command = redis::cmd("ZADD");
            command.arg(key);
            for unit in 0..units {
                let instant = newest - unit * 60_000;
                command.arg(instant).arg(instant);
            }
            command.exec(connection)?;
            Ok(redis::cmd("PEXPIRE").arg(key).arg(MINUTE_MS).exec(connection)?)
        };
        rows.push(measure(connection, name, units, keys, &make)?);
    }
    Ok(rows)
}

fn measure(
    connection: &mut Connection,
    name: &'static str,
    units: i64,
    keys: i64,
    make: &dyn Fn(&mut Connection, &str) -> Outcome<()>,
) -> Outcome<Memory> {
    redis::cmd("FLUSHDB").arg("SYNC").exec(connection)?;
    make(connection, "one")?;
    let reported =
        redis::cmd("MEMORY").arg("USAGE").arg("one").arg("SAMPLES").arg(0).query(connection)?;
    redis::cmd("FLUSHDB").arg("SYNC").exec(connection)?;
    // The connection's own buffers have reached their size by now.
    let before = info::number(connection, "memory", "used_memory")?;
    for key in 0..keys {
        make(connection, &format!("user:{key:06}"))?;
    }
    let grown = (info::number(connection, "memory", "used_memory")? - before) / keys;
    redis::cmd("FLUSHDB").arg("SYNC").exec(connection)?;
    Ok(Memory { name, units, reported, grown })
}
