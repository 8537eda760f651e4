//! Load from outside the server: `redis-benchmark` with one thread and fifty connections.

use std::process::Command;

use crate::Outcome;

/// The number of keys of a load.
pub const KEYS: usize = 10_000;

/// Returns the key that `redis-benchmark` builds from the number.
pub fn key(number: usize) -> String {
    format!("k:{number:012}")
}

pub struct Load<'a> {
    pub port: u16,
    pub database: u8,
    /// The command. `{key}` stands for a random key.
    pub command: &'a [String],
    pub calls: u64,
    pub pipeline: u16,
}

impl Load<'_> {
    /// Runs the load and returns the calls per second.
    ///
    /// # Errors
    /// `redis-benchmark` is missing, fails, or its output cannot be parsed.
    pub fn run(&self) -> Outcome<f64> {
        let command = self.command.iter().map(|word| word.replace("{key}", "k:__rand_int__"));
        let output = Command::new("redis-benchmark")
            .args(["-p", &self.port.to_string(), "--dbnum", &self.database.to_string()])
            .args(["-n", &self.calls.to_string(), "-P", &self.pipeline.to_string()])
            .args(["-r", &KEYS.to_string(), "--csv"])
            .args(command)
            .output()
            .map_err(|error| format!("redis-benchmark (Debian: redis-tools): {error}"))?;
        let text = String::from_utf8(output.stdout)?;
        text.lines().last().and_then(|line| line.split("\",\"").nth(1)?.parse().ok()).ok_or_else(
            || {
                let complaint = String::from_utf8_lossy(&output.stderr);
                format!("redis-benchmark {:?}: {text}{complaint}", self.command).into()
            },
        )
    }
}
