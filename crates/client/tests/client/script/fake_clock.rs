//! The script with a clock that the test sets.

use ratelog_client::command::Command;
use ratelog_client_core::script::TEXT;
use ratelog_test_support::{Client, Server};
use redis::{Arg, Value};

use super::log::name;

/// Replacements in the script's text. The clock is the last argument. Keys expire by that clock, plus [`LATER`]. A
/// check drops at most three expired hits, so that a short log shows it.
const REPLACED: [(&str, &str); 3] = [
    ("millis(call('TIME')) -- the clock", "tonumber(table.remove(ARGV)) --"),
    ("call('PEXPIRE', log.key, text(", "call('PEXPIREAT', log.key, text(2 ^ 47 + now + "),
    ("local BATCH = 1000", "local BATCH = 3"),
];

/// An arbitrary instant.
pub const START: i64 = 1_700_000_000_000;

/// How much later keys expire by the server's clock than by the test's: not while the test runs.
const LATER: i64 = 1 << 47;

pub struct FakeClock {
    pub db: Client,
    hash: String,
}

impl FakeClock {
    pub fn on(server: &Server) -> Self {
        let mut text = TEXT.to_owned();
        for (real, fake) in REPLACED {
            assert_eq!(text.matches(real).count(), 1, "{real}");
            text = text.replace(real, fake);
        }
        let mut db = server.connect();
        let hash = db.run(["SCRIPT", "LOAD", &text]);
        Self { db, hash }
    }

    /// The command's reply at `now`.
    #[track_caller]
    pub fn run<T>(&mut self, now: i64, command: &Command<T>) -> T {
        let mut arguments: Vec<Vec<u8>> = command
            .cmd()
            .args_iter()
            .map(|argument| match argument {
                Arg::Simple(argument) => argument.to_vec(),
                _ => panic!("a command of the script has no cursor"),
            })
            .collect();
        arguments[1] = self.hash.clone().into_bytes();
        arguments.push(now.to_string().into_bytes());
        let value: Value = self.db.run(arguments);
        command.parse(value).unwrap()
    }

    /// When the key expires by the test's clock; -1 for never, -2 if it does not exist.
    pub fn expires_at(&mut self, key: &str) -> i64 {
        let expires_at: i64 = self.db.run(["PEXPIRETIME", &name(key)]);
        if expires_at < 0 { expires_at } else { expires_at - LATER }
    }
}
