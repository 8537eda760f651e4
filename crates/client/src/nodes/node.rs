use std::fmt;
use std::sync::Arc;

use super::link::Link;
use crate::Error;
use crate::command::Command;

/// A server of a [`Deployment`](super::Deployment), as it was when the nodes were last discovered. Cheap to clone; clones
/// share a connection.
#[derive(Clone)]
pub struct Node {
    pub(super) link: Arc<Link>,
    pub(super) role: Role,
}

/// The role of a node in its shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// It decides checks.
    Primary,
    /// It follows a primary.
    Replica {
        /// The primary's address, `host:port`.
        of: String,
    },
}

impl Node {
    /// The node's address, `host:port`, or the path of its socket.
    #[must_use]
    pub fn address(&self) -> &str {
        self.link.address()
    }

    /// The node's role when the nodes were last discovered.
    #[must_use]
    pub const fn role(&self) -> &Role {
        &self.role
    }

    /// Whether the node is a primary.
    #[must_use]
    pub fn is_primary(&self) -> bool {
        self.role == Role::Primary
    }

    /// Runs a command on this node, whatever its [`routing`](Command::routing).
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the node cannot be reached: the command was not sent. [`Error::Timeout`], or an error of
    /// the connection, if the node did not answer: it may have run the command ([`Error::is_outcome_unknown`]). Other
    /// errors are the node's.
    pub async fn query<T: Send>(&self, command: &Command<T>) -> Result<T, Error> {
        self.link.query(command, false).await
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("address", &self.address())
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}
