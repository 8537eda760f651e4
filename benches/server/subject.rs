//! The subjects: each command, the state of its keys, and the expected replies.

use redis::{Connection, Script};

use crate::Outcome;

/// Splits a command into words. `{key}` stands for a key.
pub fn words(command: &str) -> Vec<String> {
    command.split(' ').map(str::to_owned).collect()
}

/// A count that verifies the calls.
pub struct Count {
    /// The command that reads the count of one key.
    pub command: &'static str,
    /// The count that one call adds.
    pub per_call: u64,
}

pub struct Subject {
    pub name: &'static str,
    pub command: Vec<String>,
    /// The number of calls on every key before a measurement.
    pub prepare: Option<(usize, Vec<String>)>,
    pub count: Option<Count>,
    /// The expected first integer of the reply.
    pub first: Option<i64>,
    /// The factor by which a slow subject makes fewer calls.
    pub fewer: u64,
    /// The target: the maximum server time per call as a multiple of the time of `INCR`.
    pub target: Option<f64>,
    /// A module setting during the measurement, and its default.
    pub setting: Option<Setting>,
}

#[derive(Clone, Copy)]
pub struct Setting {
    pub name: &'static str,
    pub value: &'static str,
    pub otherwise: &'static str,
}

impl Subject {
    fn check(name: &'static str, command: &str, per_call: u64) -> Self {
        let command = words(command);
        Self {
            name,
            prepare: Some((10, command.clone())),
            command,
            count: Some(Count { command: "RL.INSPECT", per_call }),
            first: Some(1),
            fewer: 1,
            target: None,
            setting: None,
        }
    }
}

/// The baseline.
pub const BASELINE: usize = 1;
/// The allowed check, for which the targets are set.
pub const ALLOWED: usize = 2;
/// The same check, denied.
pub const DENIED: usize = 3;
/// The same as [`ALLOWED`], under a policy.
pub const UNDER_POLICY: usize = 6;
/// The same as [`ALLOWED`], without rankings.
pub const UNRANKED: usize = 7;
/// The same as [`DENIED`], without rankings.
pub const UNRANKED_DENIED: usize = 8;

/// The policy of a subject's checks.
const POLICY: &str = "RL.POLICY SET bench 100 60";
/// Turns off the rankings of the heaviest keys.
const NO_RANKING: Setting = Setting { name: "rl.top-k", value: "0", otherwise: "64" };

/// Returns Ratelog's checks between the floor and the baseline, and the peers.
///
/// # Errors
/// The server rejects a script.
pub fn all(connection: &mut Connection, cell: bool) -> Outcome<Vec<Subject>> {
    let mut policy = redis::Cmd::new();
    policy.arg(words(POLICY)).exec(connection)?;
    let mut subjects = own();
    let script = |name, source, count, connection: &mut Connection| -> Outcome<Subject> {
        let hash = Script::new(source).prepare_invoke().load(connection)?;
        let mut subject = Subject::check(name, &format!("EVALSHA {hash} 1 {{key}} 100 60000"), 1);
        subject.count = Some(Count { command: count, per_call: 1 });
        subject.fewer = 4;
        Ok(subject)
    };
    let source = include_str!("../peers/fixed_window.lua");
    subjects.push(script("Lua fixed window, allowed", source, "GET", connection)?);
    let source = include_str!("../peers/sorted_set_log.lua");
    subjects.push(script("Lua sorted-set log, allowed", source, "ZCARD", connection)?);
    if cell {
        let mut subject = Subject::check("redis-cell, allowed", "CL.THROTTLE {key} 99 100 60", 1);
        subject.count = None;
        subject.first = Some(0);
        subjects.push(subject);
    }
    Ok(subjects)
}

fn own() -> Vec<Subject> {
    let ping =
        Subject { prepare: None, count: None, first: None, ..Subject::check("PING", "PING", 0) };
    let incr = Subject {
        prepare: Some((1, words("SET {key} 0 EX 3600"))),
        count: Some(Count { command: "GET", per_call: 1 }),
        first: None,
        ..Subject::check("INCR on keys with a TTL", "INCR {key}", 1)
    };
    let allowed = Subject {
        target: Some(1.7),
        ..Subject::check("RL.CHECK allowed (100 per 60 s)", "RL.CHECK {key} 100 60", 1)
    };
    let denied = Subject {
        prepare: Some((100, words("RL.CHECK {key} 100 60"))),
        first: Some(0),
        target: Some(1.5),
        ..Subject::check("RL.CHECK denied (100 per 60 s)", "RL.CHECK {key} 100 60", 0)
    };
    let windows = Subject::check(
        "RL.CHECK three windows, allowed (100 per 1 s, 1,000 per 60 s, 10,000 per 1 h)",
        "RL.CHECK {key} 100 1 1000 60 10000 3600",
        1,
    );
    let cost = Subject::check(
        "RL.CHECK cost 10, allowed (1,000 per 60 s)",
        "RL.CHECK {key} 1000 60 COST 10",
        10,
    );
    let under_policy = Subject::check(
        "RL.CHECK under a policy, allowed (100 per 60 s)",
        "RL.CHECK {key} POLICY bench",
        1,
    );
    let unranked = Subject {
        setting: Some(NO_RANKING),
        ..Subject::check("RL.CHECK allowed, rl.top-k 0", "RL.CHECK {key} 100 60", 1)
    };
    let unranked_denied = Subject {
        prepare: Some((100, words("RL.CHECK {key} 100 60"))),
        first: Some(0),
        setting: Some(NO_RANKING),
        ..Subject::check("RL.CHECK denied, rl.top-k 0", "RL.CHECK {key} 100 60", 0)
    };
    vec![ping, incr, allowed, denied, windows, cost, under_policy, unranked, unranked_denied]
}
