//! The script with a clock that the test gives.

use ratelog_client::command::Command;
use ratelog_client_core::script::TEXT;
use ratelog_test_support::{Client, Server};
use redis::{Arg, Value};

use super::log::name;

/// What the test's script has in place of lines of the real one: the clock is the last argument, keys end by that clock
/// in an age to come, and so few hits are dropped at once that a short log shows it.
const REPLACED: [(&str, &str); 3] = [
    ("millis(call('TIME')) -- the clock", "tonumber(table.remove(ARGV)) --"),
    ("call('PEXPIRE', log.key, text(", "call('PEXPIREAT', log.key, text(2 ^ 47 + now + "),
    ("local BATCH = 1000", "local BATCH = 3"),
];

/// Some instant.
pub const START: i64 = 1_700_000_000_000;

/// Keys end so much later than by the given clock: never, by the server's.
const LATER: i64 = 1 << 47;

pub struct FakeClock {
    pub db: Client,
    hash: String,
}

impl FakeClock {
    pub fn on(server: &Server) -> Self {
        let mut text = TEXT.to_owned();
        for (real, given) in REPLACED {
            assert_eq!(text.matches(real).count(), 1, "{real}");
            text = text.replace(real, given);
        }
        let mut db = server.connect();
        let hash = db.run(["SCRIPT", "LOAD", &text]);
        Self { db, hash }
    }

    /// The command's answer at `now`.
    #[track_caller]
    pub fn ask<T>(&mut self, now: i64, command: &Command<T>) -> T {
        let mut words: Vec<Vec<u8>> = command
            .cmd()
            .args_iter()
            .map(|word| match word {
                Arg::Simple(word) => word.to_vec(),
                _ => panic!("a command of the script has no cursor"),
            })
            .collect();
        words[1] = self.hash.clone().into_bytes();
        words.push(now.to_string().into_bytes());
        let value: Value = self.db.run(words);
        command.read(value).unwrap()
    }

    /// When the key ends by the given clock; -1 for never, -2 where there is none.
    pub fn ends_at(&mut self, key: &str) -> i64 {
        let ends_at: i64 = self.db.run(["PEXPIRETIME", &name(key)]);
        if ends_at < 0 { ends_at } else { ends_at - LATER }
    }
}
