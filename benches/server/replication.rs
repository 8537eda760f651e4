//! What checks send to a replica.

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

/// What a replica costs.
pub struct Replicated {
    /// Bytes of the replication stream that ten thousand denied checks caused.
    pub denied: i64,
    /// The same, allowed.
    pub allowed: i64,
    /// `INCR` while a replica is attached.
    pub incr: Measured,
    /// An allowed check while a replica is attached: its effect is built.
    pub check: Measured,
}

/// # Errors
/// A server fails, the replica does not come up, or a check is decided otherwise.
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
            return Err("the replica did not come up".into());
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

/// The bytes that checks of one key cause, all of them decided alike.
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
        return Err("a check beside a replica was decided wrongly".into());
    }
    Ok(offset(connection)? - before)
}
