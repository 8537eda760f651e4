//! Random sequences of everything that starts or stops the need for effects. After each sequence, every replica must
//! have the dataset of its primary. `DEBUG RELOAD` is not among the steps: while a replica waits for a snapshot, it makes
//! the replica differ in the server's own types too.

use redis::Value;

use crate::support::{Mix, Random, Server, Stop, Writer, assert_same_dataset, until};

const STEPS: usize = 40;
const MAX_REPLICAS: usize = 3;

/// Runs one random sequence. `RATELOG_TEST_SEED` replaces the seed.
fn run_sequence(seed: u64, lines: &[&str]) {
    let seed =
        std::env::var("RATELOG_TEST_SEED").map_or(seed, |text| text.parse().expect("a number"));
    println!("seed {seed}");
    let mut sequence = Sequence::new(seed, lines);
    for _ in 0..STEPS {
        sequence.write();
        sequence.step();
    }
    sequence.write();
    sequence.assert_all_equal();
}

struct Sequence {
    random: Random,
    lines: Vec<String>,
    primary: Server,
    replicas: Vec<Server>,
}

impl Sequence {
    fn new(seed: u64, lines: &[&str]) -> Self {
        let lines: Vec<_> =
            lines.iter().chain(&["save 3600 1000000", "repl-backlog-ttl 1"]).copied().collect();
        let primary = Server::with(&lines);
        let lines = lines.into_iter().map(str::to_owned).collect();
        Self { random: Random::seeded(seed), lines, primary, replicas: Vec::new() }
    }

    /// Sends a few random commands to the primary.
    fn write(&mut self) {
        let mut writer = Writer::new(self.primary.connect(), self.random.next(), Mix::Lasting);
        for _ in 0..=self.random.below(20) {
            assert!(writer.write(), "the primary accepts writes");
        }
        let key = format!("key:{}", self.random.below(40));
        let command = match self.random.below(6) {
            0 => format!("RL.OVERRIDE SET {key} DENY EX 7200"),
            1 => format!("RL.OVERRIDE SET {key} LIMIT 5 1h EX 7200"),
            2 => format!("RL.OVERRIDE SET {key} ALLOW"),
            3 => format!("RL.OVERRIDE DEL {key}"),
            4 => format!("RL.POLICY SET policy:{} 5 1h", self.random.below(3)),
            _ => return,
        };
        self.primary.connect().run::<Value>(&command);
    }

    fn step(&mut self) {
        let step = self.random.below(15);
        if std::env::var_os("RATELOG_TEST_SEED").is_some() {
            println!("step {step}, {} replicas", self.replicas.len());
        }
        let mut db = self.primary.connect();
        match step {
            0 | 1 => self.attach(),
            2 | 3 => self.attach_from_snapshot(),
            4 => self.detach(),
            // A child that is still active is a reason to refuse these.
            5 => drop(db.attempt::<Value>("SAVE")),
            6 => drop(db.attempt::<Value>("BGSAVE")),
            7 => drop(db.attempt::<Value>("BGREWRITEAOF")),
            8 => {
                let commands = ["FLUSHALL", "FLUSHALL ASYNC", "FLUSHDB", "SWAPDB 0 1"];
                db.run::<()>(*self.random.pick(&commands));
            }
            9 => self.toggle_append_only_file(),
            10 => self.switch_roles(),
            11 => self.lose_the_backlog(),
            12 => restart_cleanly(&mut self.primary),
            13 => drop(db.run::<i64>("CLIENT KILL TYPE replica")),
            _ => self.restart_a_replica(),
        }
    }

    /// Attaches a replica, and does not wait for it.
    fn attach(&mut self) {
        if self.replicas.len() < MAX_REPLICAS {
            let lines: Vec<_> = self.lines.iter().map(String::as_str).collect();
            let replica = Server::with(&lines);
            replica.begin_to_follow(&self.primary);
            self.replicas.push(replica);
        }
    }

    fn attach_from_snapshot(&mut self) {
        if self.replicas.len() < MAX_REPLICAS && self.primary.path("dump.rdb").exists() {
            let lines: Vec<_> = self.lines.iter().map(String::as_str).collect();
            self.replicas.push(self.primary.start_replica_from_snapshot(&lines));
        }
    }

    fn detach(&mut self) {
        if let Some(replica) = self.replicas.pop() {
            replica.connect().run::<()>("REPLICAOF NO ONE");
        }
    }

    fn toggle_append_only_file(&mut self) {
        let mut db = self.primary.connect();
        let (_, now): (String, String) = db.run("CONFIG GET appendonly");
        db.run::<()>(["CONFIG", "SET", "appendonly", if now == "yes" { "no" } else { "yes" }]);
    }

    /// Makes a replica the primary, and the primary its replica.
    fn switch_roles(&mut self) {
        if self.replicas.is_empty() {
            return;
        }
        let place = self.random.below(self.replicas.len());
        let mut promoted = self.replicas.swap_remove(place);
        let mut db = promoted.connect();
        until("the replica has a dataset", || db.info("master_link_status") == "up");
        db.run::<()>("REPLICAOF NO ONE");
        std::mem::swap(&mut promoted, &mut self.primary);
        self.replicas.push(promoted);
        for replica in &self.replicas {
            replica.begin_to_follow(&self.primary);
        }
    }

    fn lose_the_backlog(&mut self) {
        while !self.replicas.is_empty() {
            self.detach();
        }
        let mut db = self.primary.connect();
        until("the backlog is freed", || db.info("repl_backlog_active") == "0");
    }

    fn restart_a_replica(&mut self) {
        let how = *self.random.pick(&[Stop::Kill, Stop::Save]);
        if let Some(mut replica) = self.replicas.pop() {
            if how == Stop::Save {
                restart_cleanly(&mut replica);
            } else {
                replica.restart(how);
            }
            replica.begin_to_follow(&self.primary);
            self.replicas.push(replica);
        }
    }

    fn assert_all_equal(&mut self) {
        self.attach();
        for replica in &self.replicas {
            assert_same_dataset(&self.primary, replica);
        }
    }
}

/// Restarts a server from the snapshot that it writes when it ends.
fn restart_cleanly(server: &mut Server) {
    let mut db = server.connect();
    // A server does not exit while it loads a dataset or writes its first append-only file.
    until("the server has a dataset", || {
        db.info("role") == "master" || db.info("master_link_status") == "up"
    });
    db.run::<()>("CONFIG SET appendonly no");
    server.restart(Stop::Save);
}

#[test]
fn random_sequences_with_transfers_by_socket() {
    for seed in 0..3 {
        run_sequence(seed, &["repl-diskless-sync yes", "repl-diskless-sync-delay 0"]);
    }
}

#[test]
fn random_sequences_with_delayed_transfers_by_socket() {
    for seed in 10..12 {
        run_sequence(seed, &["repl-diskless-sync yes", "repl-diskless-sync-delay 1"]);
    }
}

#[test]
fn random_sequences_with_transfers_by_file() {
    for seed in 20..23 {
        run_sequence(seed, &["repl-diskless-sync no"]);
    }
}
