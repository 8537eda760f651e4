//! Random commands that change keys.

use redis::Value;

use super::dataset::DATABASES;
use super::{Client, Random};

const KEYS: usize = 40;
const CHECK_IN_LUA: &str = "return redis.call('RL.CHECK', KEYS[1], ARGV[1], ARGV[2])";

/// The length of the windows.
#[derive(Clone, Copy, Debug)]
pub enum Mix {
    /// Hours. Nothing expires during the test.
    Lasting,
    /// Fractions of a second. Units and whole keys expire all the time.
    Passing,
}

/// Sends random commands that change keys.
pub struct Writer {
    client: Client,
    random: Random,
    mix: Mix,
}

impl Writer {
    pub fn new(client: Client, seed: u64, mix: Mix) -> Self {
        Self { client, random: Random::seeded(seed), mix }
    }

    /// Sends one command. Returns false if the server is gone or has become a replica.
    pub fn write(&mut self) -> bool {
        let command = self.next_command();
        match self.client.attempt::<Value>(command.as_slice()) {
            Ok(_) => true,
            Err(error) if error.starts_with("connection") || error.contains("READONLY") => false,
            Err(error) => panic!("{command:?} failed: {error}"),
        }
    }

    fn next_command(&mut self) -> Vec<String> {
        let key = self.key();
        let words = match self.random.below(100) {
            0..52 => return self.check(&key),
            52..60 => return self.check_several(),
            60..68 => format!("RL.REFUND {key} COST {}", 1 + self.random.below(5)),
            68..72 => format!("RL.REFUND {key}"),
            72..75 => format!("RL.RESET {key}"),
            75..78 => format!("DEL {key}"),
            78..81 => format!("COPY {key} copy:{} REPLACE", self.key()),
            81..84 => format!("RL.PEEK {key} 5 10"),
            84..86 => format!("SELECT {}", self.random.below(DATABASES.into())),
            86..93 => {
                let (limit, window) = self.rule();
                let mut words: Vec<_> = ["EVAL", CHECK_IN_LUA, "1"].map(str::to_owned).into();
                words.extend([key, limit, window]);
                return words;
            }
            _ => {
                // This limit is soon exceeded, so most checks are denied.
                let (_, window) = self.rule();
                format!("RL.CHECK denied:{key} 2 {window}")
            }
        };
        words.split(' ').map(str::to_owned).collect()
    }

    fn check(&mut self, key: &str) -> Vec<String> {
        let mut words = vec!["RL.CHECK".to_owned(), key.to_owned()];
        for _ in 0..=self.random.below(3) {
            let (limit, window) = self.rule();
            words.extend([limit, window]);
        }
        if self.random.below(4) == 0 {
            words.extend(["COST".to_owned(), (1 + self.random.below(9)).to_string()]);
        }
        words
    }

    fn check_several(&mut self) -> Vec<String> {
        let mut words = vec!["RL.MCHECK".to_owned(), (1 + self.random.below(3)).to_string()];
        for _ in 0..=self.random.below(3) {
            let (limit, window) = self.rule();
            words.extend([self.key(), limit, window]);
        }
        words
    }

    fn key(&mut self) -> String {
        format!("key:{}", self.random.below(KEYS))
    }

    fn rule(&mut self) -> (String, String) {
        let limit = self.random.pick(&["20", "300", "5000"]);
        let window = match self.mix {
            Mix::Lasting => self.random.pick(&["2h", "90m", "3d"]),
            Mix::Passing => self.random.pick(&["20ms", "150ms", "900ms"]),
        };
        ((*limit).to_owned(), (*window).to_owned())
    }
}
