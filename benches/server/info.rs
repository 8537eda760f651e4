//! Reads `INFO`.

use std::collections::HashMap;

use redis::Connection;

use crate::Outcome;

/// Returns the fields of one section of `INFO`.
pub fn section(connection: &mut Connection, name: &str) -> Outcome<HashMap<String, String>> {
    let text: String = redis::cmd("INFO").arg(name).query(connection)?;
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    Ok(fields.map(|(field, value)| (field.to_owned(), value.to_owned())).collect())
}

/// Returns a number from a section of `INFO`.
///
/// # Errors
/// The section has no such field, or it is not an integer.
pub fn number(connection: &mut Connection, name: &str, field: &str) -> Outcome<i64> {
    let section = section(connection, name)?;
    let value = section.get(field).ok_or_else(|| format!("INFO {name} has no {field}"))?;
    Ok(value.parse()?)
}

/// The server's statistics of one command since `CONFIG RESETSTAT`.
pub struct CommandStats {
    pub calls: u64,
    pub usec: u64,
}

impl CommandStats {
    pub fn reset(connection: &mut Connection) -> Outcome<()> {
        Ok(redis::cmd("CONFIG").arg("RESETSTAT").exec(connection)?)
    }

    /// # Errors
    /// The command was not called, or some of its calls were rejected or failed.
    pub fn read(connection: &mut Connection, command: &str) -> Outcome<Self> {
        let stats = section(connection, "commandstats")?;
        let name = format!("cmdstat_{command}");
        let line = stats
            .iter()
            .find_map(|(field, line)| field.eq_ignore_ascii_case(&name).then_some(line))
            .ok_or_else(|| format!("{command} was never called"))?;
        let field = |name: &str| -> Outcome<u64> {
            let value = line
                .split(',')
                .find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
                .ok_or_else(|| format!("{line} has no {name}"))?;
            Ok(value.parse()?)
        };
        if field("rejected_calls")? + field("failed_calls")? > 0 {
            return Err(format!("{command}: some calls failed: {line}").into());
        }
        Ok(Self { calls: field("calls")?, usec: field("usec")? })
    }

    #[expect(clippy::cast_precision_loss, reason = "both are far below 2^52")]
    pub fn usec_per_call(&self) -> f64 {
        self.usec as f64 / self.calls as f64
    }
}
