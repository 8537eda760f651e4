//! Random calls. Each reply is compared with the reply of the naive oracle.
//!
//! The instant of a call is only known to be between two readings of the server's clock. A reply is therefore
//! correct if it equals the oracle's reply at one of those milliseconds.

use crate::support::{Client, Oracle, Random, Rule, Server};

const KEYS: usize = 4;

struct Comparison {
    db: Client,
    random: Random,
    oracles: Vec<Oracle>,
    windows_ms: &'static [i64],
}

impl Comparison {
    fn new(server: &Server, seed: u64, windows_ms: &'static [i64]) -> Self {
        Self {
            db: server.connect(),
            random: Random::seeded(seed),
            oracles: vec![Oracle::default(); KEYS],
            windows_ms,
        }
    }

    fn step(&mut self) {
        let key = self.random.below(KEYS);
        match self.random.below(100) {
            0..65 => self.check(key),
            65..80 => self.peek(key),
            80..90 => self.refund(key),
            90..98 => self.hits(key),
            _ => self.reset(key),
        }
    }

    fn check(&mut self, key: usize) {
        let (rules, cost, arguments) = self.arguments();
        let (reply, instants) = self.timed(|db| db.decide(&format!("RL.CHECK {key}{arguments}")));
        // The log shows the instant of the units and their retention.
        let (shown, later) = self.timed(|db| db.hits(&key.to_string()));
        self.agree(key, &(reply, true), &instants, |oracle, now| {
            let decision = oracle.check(now, &rules, cost);
            let shows = later.iter().any(|&then| then >= now && oracle.hits(then) == shown);
            (decision, shows)
        });
    }

    fn peek(&mut self, key: usize) {
        let (rules, cost, arguments) = self.arguments();
        let (reply, instants) = self.timed(|db| db.decide(&format!("RL.PEEK {key}{arguments}")));
        self.agree(key, &reply, &instants, |oracle, now| oracle.peek(now, &rules, cost));
    }

    fn refund(&mut self, key: usize) {
        let units = 1 + i64::try_from(self.random.below(6)).expect("a small number");
        let (reply, instants) =
            self.timed(|db| db.run::<i64>(&format!("RL.REFUND {key} COST {units}")));
        self.agree(key, &reply, &instants, |oracle, now| oracle.refund(now, units));
    }

    fn reset(&mut self, key: usize) {
        let (reply, instants) = self.timed(|db| db.run::<i64>(&format!("RL.RESET {key}")));
        self.agree(key, &reply, &instants, |oracle, now| oracle.refund(now, i64::MAX));
    }

    fn hits(&mut self, key: usize) {
        let (reply, instants) = self.timed(|db| db.hits(&key.to_string()));
        self.agree(key, &reply, &instants, |oracle, now| oracle.hits(now));
    }

    /// Applies the call to the oracle at the first instant at which the oracle's reply equals the server's.
    #[track_caller]
    fn agree<T: PartialEq + std::fmt::Debug>(
        &mut self,
        key: usize,
        reply: &T,
        instants: &[i64],
        mut call: impl FnMut(&mut Oracle, i64) -> T,
    ) {
        let before = self.oracles[key].clone();
        let mut expected = Vec::new();
        for &now in instants {
            let mut oracle = before.clone();
            oracle.expire(now);
            let answer = call(&mut oracle, now);
            if answer == *reply {
                self.oracles[key] = oracle;
                return;
            }
            expected.push((now, answer));
        }
        panic!("the reply {reply:?} is none of {expected:?}, given {before:?}");
    }

    fn timed<T>(&mut self, call: impl FnOnce(&mut Client) -> T) -> (T, Vec<i64>) {
        let before = self.db.now_ms();
        let reply = call(&mut self.db);
        let after = self.db.now_ms();
        (reply, (before..=after).collect())
    }

    fn arguments(&mut self) -> (Vec<Rule>, i64, String) {
        let rules: Vec<_> = (0..=self.random.below(4))
            .map(|_| Rule {
                limit: *self.random.pick(&[0, 1, 2, 5, 17, 40, 60, 1000, 1000]),
                window_ms: *self.random.pick(self.windows_ms),
            })
            .collect();
        let cost = *self.random.pick(&[1, 1, 1, 2, 3, 11]);
        let mut text: String =
            rules.iter().map(|rule| format!(" {} {}ms", rule.limit, rule.window_ms)).collect();
        if cost > 1 || self.random.below(2) == 0 {
            text += &format!(" COST {cost}");
        }
        (rules, cost, text)
    }
}

#[test]
fn random_calls_agree_with_the_oracle_while_nothing_expires() {
    let server = Server::start();
    let windows_ms = &[3_600_000, 7_200_000, 86_400_000, 31_622_400_000];
    for seed in 0..4 {
        server.connect().run::<()>("FLUSHALL");
        let mut comparison = Comparison::new(&server, seed, windows_ms);
        for _ in 0..1000 {
            comparison.step();
        }
    }
}

#[test]
fn random_calls_agree_with_the_oracle_while_units_expire() {
    let server = Server::start();
    for seed in 0..4 {
        server.connect().run::<()>("FLUSHALL");
        let mut comparison = Comparison::new(&server, seed, &[1, 5, 20, 77, 150, 400]);
        let end = comparison.db.now_ms() + 700;
        while comparison.db.now_ms() < end {
            comparison.step();
        }
    }
}

#[test]
fn random_calls_agree_with_the_oracle_when_the_server_reloads_in_between() {
    let server = Server::start();
    let windows_ms = &[3_600_000, 7_200_000];
    let mut comparison = Comparison::new(&server, 99, windows_ms);
    for _ in 0..30 {
        for _ in 0..30 {
            comparison.step();
        }
        let before = comparison.db.digest();
        comparison.db.run::<()>("DEBUG RELOAD");
        assert_eq!(comparison.db.digest(), before);
    }
}
