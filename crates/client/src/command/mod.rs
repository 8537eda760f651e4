//! The module's commands, with the types of their replies.
//!
//! The traits [`Commands`](crate::Commands) and [`AsyncCommands`](crate::AsyncCommands) run them. You can also add a
//! [`Command`] to a pipeline, or send it on a connection of another crate:
//!
//! ```no_run
//! use ratelog_client::{Rules, command};
//!
//! let rules: Rules = "100/minute".parse()?;
//! let mut db = redis::Client::open("redis://127.0.0.1/")?.get_connection()?;
//! let check = command::check("user:42", &rules);
//! let (value, visits): (redis::Value, u64) =
//!     redis::pipe().add_command(check.cmd().clone()).incr("visits", 1).query(&mut db)?;
//! println!("{:?} after {visits} visits", check.parse(value)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod check;
mod explain;
mod keys;
mod monitor;
mod node_address;
mod override_list;
mod overrides;
mod policies;

use redis::{Cmd, RedisResult, Value};

use crate::Error;
use crate::reply::InvalidReply;

pub use check::{check, mcheck, peek};
pub use explain::{Explanation, explain};
pub use keys::{Hit, HitsOptions, Inspection, hits, inspect, refund, reset};
pub use monitor::{Counts, PolicyStats, Ranked, Ranking, Stats, reset_stats, stats, top};
pub use node_address::NodeAddress;
pub use override_list::{
    ListOptions, ListedOverride, OverrideCursor, OverridePage, next_override_page, override_pages,
};
pub use overrides::{Override, del_override, get_override, set_override};
pub use policies::{
    del_policy, export_policies, get_policy, import_policies, list_policies, set_policy,
};

/// A command of the module whose reply is a `T`.
pub struct Command<T> {
    cmd: Cmd,
    routing: Routing,
    parse: fn(Value) -> Result<T, InvalidReply>,
    merge: fn(Vec<T>) -> Option<T>,
    with_node: fn(T, &NodeAddress) -> T,
}

/// The nodes of a cluster that a command is sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Routing {
    /// The primary of the key at this index among the arguments; the command's name has index 0.
    Primary(usize),
    /// Any node that has the key at this index among the arguments.
    Replica(usize),
    /// Any node.
    Any,
    /// The primary of each shard.
    EveryPrimary,
    /// This node.
    Node(NodeAddress),
}

impl Command<Value> {
    /// A command of the server, or of another module. Its reply is not parsed.
    ///
    /// ```
    /// use ratelog_client::command::{Command, Routing};
    /// use ratelog_client::redis;
    ///
    /// let ttl = redis::cmd("PTTL").arg("user:42").to_owned();
    /// assert_eq!(Command::other(ttl, Routing::Replica(1)).key(), Some(&b"user:42"[..]));
    /// ```
    #[must_use]
    pub fn other(cmd: Cmd, routing: Routing) -> Self {
        Self::new(cmd, routing, Ok)
    }
}

impl<T> Command<T> {
    pub(crate) fn new(
        cmd: Cmd,
        routing: Routing,
        parse: fn(Value) -> Result<T, InvalidReply>,
    ) -> Self {
        Self {
            cmd,
            routing,
            parse,
            merge: |mut replies| replies.pop(),
            with_node: |reply, _| reply,
        }
    }

    /// Sets how the replies of several shards are merged.
    fn merge_with(self, merge: fn(Vec<T>) -> Option<T>) -> Self {
        Self { merge, ..self }
    }

    /// Sets how a reply gets the address of the node of a cluster that it is from.
    fn with_node_by(self, with_node: fn(T, &NodeAddress) -> T) -> Self {
        Self { with_node, ..self }
    }

    /// The command as the `redis` crate sends it.
    #[must_use]
    pub fn cmd(&self) -> &Cmd {
        &self.cmd
    }

    /// The nodes of a cluster that it is sent to.
    #[must_use]
    pub fn routing(&self) -> &Routing {
        &self.routing
    }

    /// The key that decides which shard of a cluster has to run the command.
    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        let (Routing::Primary(index) | Routing::Replica(index)) = self.routing else { return None };
        match self.cmd.args_iter().nth(index) {
            Some(redis::Arg::Simple(key)) => Some(key),
            _ => None,
        }
    }

    /// Parses a server's reply.
    ///
    /// # Errors
    /// [`Error::Reply`] for a reply that the command does not have. An error that the server replied with is
    /// [`Error::Redis`] or [`Error::NoPolicy`].
    pub fn parse(&self, value: Value) -> Result<T, Error> {
        let value = value.extract_error()?;
        let reply = (self.parse)(value).map_err(|reason| self.invalid_reply(reason))?;
        Ok(match &self.routing {
            Routing::Node(node) => (self.with_node)(reply, node),
            _ => reply,
        })
    }

    /// Parses the result of a query: the reply of one node, or a map of the replies of several nodes.
    pub(crate) fn parse_result(&self, result: RedisResult<Value>) -> Result<T, Error> {
        let replies = match (&self.routing, result?) {
            (Routing::EveryPrimary, Value::Map(replies)) => replies,
            (_, value) => return self.parse(value),
        };
        // No name in a map of the module is that of a node.
        let nodes = replies.iter().map(|(name, _)| NodeAddress::from_value(name));
        let Some(nodes) = nodes.collect::<Option<Vec<_>>>() else {
            return self.parse(Value::Map(replies));
        };
        let replies = nodes
            .iter()
            .zip(replies)
            .map(|(node, (_, value))| Ok((self.with_node)(self.parse(value)?, node)));
        let merged = (self.merge)(replies.collect::<Result<_, Error>>()?);
        merged.ok_or_else(|| self.invalid_reply("no shard replied".to_owned()))
    }

    fn invalid_reply(&self, reason: InvalidReply) -> Error {
        let command = match self.cmd.args_iter().next() {
            Some(redis::Arg::Simple(name)) => String::from_utf8_lossy(name).into_owned(),
            _ => String::new(),
        };
        Error::Reply { command, reason }
    }
}

impl<T> std::fmt::Debug for Command<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Command")
            .field("cmd", &self.cmd)
            .field("routing", &self.routing)
            .finish_non_exhaustive()
    }
}
