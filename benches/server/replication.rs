//! The replication stream of checks.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use redis::Connection;

use crate::{
    Outcome,
    host::Server,
    info,
    options::Options,
    rounds::Measured,
    subject::{ALLOWED, BASELINE, Subject},
};

const CHECKS: i64 = 10_000;

/// The cost of a replica.
pub struct Replicated {
    /// Bytes in the replication stream for ten thousand denied checks.
    pub denied: i64,
    /// Bytes in the replication stream for ten thousand allowed checks.
    pub allowed: i64,
    /// The time of `INCR` while a replica is attached.
    pub incr: Measured,
    /// The time of an allowed check while a replica is attached, which includes building its effect.
    pub check: Measured,
}

/// # Errors
/// A server fails, the replica does not start, or a decision is wrong.
pub fn run(options: &Options, server: &Server, subjects: &[Subject]) -> Outcome<Replicated> {
    eprintln!("replication");
    let connection = &mut server.connect(0)?;
    redis::cmd("FLUSHALL").arg("SYNC").exec(connection)?;
    let replica = Server::start(options)?;
    let replica = &mut replica.connect(0)?;
    redis::cmd("REPLICAOF").arg("127.0.0.1").arg(server.port).exec(replica)?;
    let started = Instant::now();
    while info::section(connection, "replication")?
        .get("slave0")
        .is_none_or(|replica| !replica.contains("state=online"))
    {
        if started.elapsed() > Duration::from_secs(30) {
            return Err("the replica did not start".into());
        }
        sleep(Duration::from_millis(20));
    }
    let allowed = sent(connection, 1)?;
    let denied = sent(connection, 0)?;
    let (mut incr, mut check) = (Measured::default(), Measured::default());
    for round in 1..=options.rounds() {
        eprintln!("with a replica, round {round} of {}", options.rounds());
        incr.add_round(options, server, 0, &subjects[BASELINE])?;
        check.add_round(options, server, 0, &subjects[ALLOWED])?;
    }
    Ok(Replicated { denied, allowed, incr, check })
}

/// Returns the bytes in the replication stream for checks of one key with the same decision.
fn sent(connection: &mut Connection, allowed: i64) -> Outcome<i64> {
    let offset =
        |connection: &mut Connection| info::number(connection, "replication", "master_repl_offset");
    let before = offset(connection)?;
    let mut pipeline = redis::pipe();
    for _ in 0..CHECKS {
        pipeline.cmd("RL.CHECK").arg("replicated").arg(CHECKS).arg("1h");
    }
    let decisions: Vec<Vec<i64>> = pipeline.query(connection)?;
    if decisions.iter().any(|decision| decision[0] != allowed) {
        return Err("a check with a replica had a wrong decision".into());
    }
    Ok(offset(connection)? - before)
}
