//! The module's commands, with the types of their answers.
//!
//! The traits [`Commands`](crate::Commands) and [`AsyncCommands`](crate::AsyncCommands) run them. By itself, a
//! [`Command`] serves a pipeline, or a connection of another crate:
//!
//! ```no_run
//! use ratelog_client::{Rules, command};
//!
//! let rules: Rules = "100/minute".parse()?;
//! let mut db = redis::Client::open("redis://127.0.0.1/")?.get_connection()?;
//! let check = command::check("user:42", &rules);
//! let (value, visits): (redis::Value, u64) =
//!     redis::pipe().add_command(check.cmd().clone()).incr("visits", 1).query(&mut db)?;
//! println!("{:?} after {visits} visits", check.read(value)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod check;
mod keys;
mod monitor;
mod overrides;
mod policies;

use redis::{Cmd, RedisResult, Value};

use crate::Error;
use crate::reply::Fault;

pub use check::{check, mcheck, peek};
pub use keys::{Hit, Inspection, hits, inspect, newest_hits, refund, reset};
pub use monitor::{Counts, Ranked, Ranking, Stats, reset_stats, stats, top};
pub use overrides::{
    ListedOverride, Override, del_override, get_override, list_overrides, set_override,
};
pub use policies::{
    del_policy, export_policies, get_policy, import_policies, list_policies, set_policy,
};

/// A command of the module whose answer is a `T`.
pub struct Command<T> {
    cmd: Cmd,
    route: Routing,
    read: fn(Value) -> Result<T, Fault>,
    merge: fn(Vec<T>) -> Option<T>,
}

/// Which nodes of a cluster a command is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Routing {
    /// The primary of the key that is this argument; the command's name is argument 0.
    Primary(usize),
    /// Any node that has the key that is this argument.
    Replica(usize),
    /// Any node.
    Any,
    /// Each shard's primary.
    EveryPrimary,
}

impl<T> Command<T> {
    pub(crate) fn new(cmd: Cmd, route: Routing, read: fn(Value) -> Result<T, Fault>) -> Self {
        Self { cmd, route, read, merge: |mut answers| answers.pop() }
    }

    /// How the answers of several shards become one.
    fn merged_by(self, merge: fn(Vec<T>) -> Option<T>) -> Self {
        Self { merge, ..self }
    }

    /// The command's words.
    #[must_use]
    pub fn cmd(&self) -> &Cmd {
        &self.cmd
    }

    /// Which nodes of a cluster it is for.
    #[must_use]
    pub fn route(&self) -> Routing {
        self.route
    }

    /// What a server's answer says.
    ///
    /// # Errors
    /// [`Error::Reply`] if the command has no such answer; what the server refuses with is [`Error::Redis`] or
    /// [`Error::NoPolicy`].
    pub fn read(&self, value: Value) -> Result<T, Error> {
        let value = value.extract_error()?;
        (self.read)(value).map_err(|reason| self.fault(reason))
    }

    /// What a connection's answer says: one node's, or those of several by their addresses.
    pub(crate) fn answer(&self, result: RedisResult<Value>) -> Result<T, Error> {
        match (self.route, result?) {
            (Routing::EveryPrimary, Value::Map(answers)) if of_nodes(&answers) => {
                let answers = answers.into_iter().map(|(_, value)| self.read(value));
                let merged = (self.merge)(answers.collect::<Result<_, _>>()?);
                merged.ok_or_else(|| self.fault("no shard answered".to_owned()))
            }
            (_, value) => self.read(value),
        }
    }

    fn fault(&self, reason: Fault) -> Error {
        let name = self.cmd.args_iter().next();
        let command = match name {
            Some(redis::Arg::Simple(name)) => String::from_utf8_lossy(name).into_owned(),
            _ => String::new(),
        };
        Error::Reply { command, reason }
    }
}

/// Whether a map tells the answers of nodes: by `host:port`, where a map of the module has names.
fn of_nodes(answers: &[(Value, Value)]) -> bool {
    answers.iter().all(|(name, _)| match name {
        Value::BulkString(name) => name.contains(&b':'),
        Value::SimpleString(name) => name.contains(':'),
        _ => false,
    })
}

impl<T> std::fmt::Debug for Command<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Command")
            .field("cmd", &self.cmd)
            .field("route", &self.route)
            .finish_non_exhaustive()
    }
}
