//! Reads the server's slow log, which has the duration of single calls in microseconds.

use redis::{Cmd, Connection, Value};

use crate::Outcome;

/// Makes one call. Returns its reply and its duration in microseconds.
///
/// # Errors
/// The call fails, or the slow log does not have it.
pub fn timed(connection: &mut Connection, command: &Cmd) -> Outcome<(Value, u32)> {
    log_slower_than(connection, 0)?;
    redis::cmd("SLOWLOG").arg("RESET").exec(connection)?;
    let reply = command.query(connection)?;
    let entries = entries(connection)?;
    log_slower_than(connection, 1000)?;
    let name = match command.args_iter().next() {
        Some(redis::Arg::Simple(name)) => String::from_utf8_lossy(name).to_lowercase(),
        _ => return Err("a command without a name".into()),
    };
    let usec = entries
        .into_iter()
        .find_map(|(command, usec)| (command == name).then_some(usec))
        .ok_or_else(|| format!("the slow log has no {name}"))?;
    Ok((reply, usec))
}

/// Returns the number of a command's calls in the slow log that took over a millisecond, and the longest.
pub fn slow_calls(connection: &mut Connection, name: &str) -> Outcome<(usize, u32)> {
    let entries = entries(connection)?;
    let slow = entries.into_iter().filter(|(command, _)| command == name).map(|(_, usec)| usec);
    Ok(slow.fold((0, 0), |(calls, longest), usec| (calls + 1, longest.max(usec))))
}

fn log_slower_than(connection: &mut Connection, usec: u32) -> Outcome<()> {
    let mut command = redis::cmd("CONFIG");
    Ok(command.arg("SET").arg("slowlog-log-slower-than").arg(usec).exec(connection)?)
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
