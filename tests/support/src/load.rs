//! Writers that keep a server busy during a test.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use redis::Value;

use super::dataset::DATABASES;
use super::wait::until;
use super::{Client, Random, Server};

const WRITERS: u64 = 3;
const KEYS: usize = 40;
const CHECK_IN_LUA: &str = "return redis.call('RL.CHECK', KEYS[1], ARGV[1], ARGV[2])";

/// The length of the writers' windows.
#[derive(Clone, Copy, Debug)]
pub enum Mix {
    /// Hours. Nothing expires during the test.
    Lasting,
    /// Fractions of a second. Units and whole keys expire all the time.
    Passing,
}

pub struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    writers: Vec<JoinHandle<()>>,
}

impl Load {
    pub fn on(server: &Server, mix: Mix) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let done = Arc::new(AtomicU64::new(0));
        let writers = (0..WRITERS)
            .map(|seed| {
                let mut writer =
                    Writer { client: server.connect(), random: Random::seeded(seed), mix };
                let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
                std::thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) && writer.write() {
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        Self { stop, done, writers }
    }

    /// Waits until the writers have received `replies` more replies.
    #[track_caller]
    pub fn advance(&self, replies: u64) {
        let goal = self.done.load(Ordering::Relaxed) + replies;
        until("the writers make progress", || self.done.load(Ordering::Relaxed) >= goal);
    }

    #[track_caller]
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for writer in self.writers {
            writer.join().expect("no writer failed");
        }
    }
}

struct Writer {
    client: Client,
    random: Random,
    mix: Mix,
}

impl Writer {
    /// Sends one command. Returns false if the server is gone or has become a replica.
    fn write(&mut self) -> bool {
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
