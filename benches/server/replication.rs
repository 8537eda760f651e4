//! What checks send to a replica.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use redis::Connection;

use crate::{Outcome, host::Server, info, options::Options};

const CHECKS: i64 = 10_000;

/// Bytes of the replication stream that ten thousand checks of each kind caused.
pub struct Replicated {
    pub denied: i64,
    pub allowed: i64,
}

/// # Errors
/// A server fails, the replica does not come up, or a check is decided otherwise.
pub fn run(options: &Options, server: &Server) -> Outcome<Replicated> {
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
    Ok(Replicated { denied, allowed })
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
