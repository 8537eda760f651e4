use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, Pipeline, RedisFuture, Value};

use super::asking::Asking;
use crate::command::Command;
use crate::{AsyncCommands, Error};

/// A connection of any kind that a limiter can use. It is cheap to clone, and all callers share it.
#[derive(Clone)]
pub struct Connection(Kind);

#[derive(Clone)]
enum Kind {
    Single(MultiplexedConnection),
    Asking(Asking),
    #[cfg(feature = "connection-manager")]
    Managed(redis::aio::ConnectionManager),
    #[cfg(feature = "cluster-async")]
    Cluster(redis::cluster_async::ClusterConnection),
}

macro_rules! for_each_kind {
    ($kind:expr, $connection:ident => $then:expr) => {
        match $kind {
            Kind::Single($connection) => $then,
            Kind::Asking($connection) => $then,
            #[cfg(feature = "connection-manager")]
            Kind::Managed($connection) => $then,
            #[cfg(feature = "cluster-async")]
            Kind::Cluster($connection) => $then,
        }
    };
}

impl Connection {
    /// The same connection to a node of a cluster, for keys that the node is importing.
    pub(crate) fn asking(self) -> Self {
        if let Kind::Single(connection) = self.0 {
            return Self(Kind::Asking(Asking(connection)));
        }
        self
    }
}

impl From<MultiplexedConnection> for Connection {
    fn from(connection: MultiplexedConnection) -> Self {
        Self(Kind::Single(connection))
    }
}

#[cfg(feature = "connection-manager")]
impl From<redis::aio::ConnectionManager> for Connection {
    fn from(connection: redis::aio::ConnectionManager) -> Self {
        Self(Kind::Managed(connection))
    }
}

#[cfg(feature = "cluster-async")]
impl From<redis::cluster_async::ClusterConnection> for Connection {
    fn from(connection: redis::cluster_async::ClusterConnection) -> Self {
        Self(Kind::Cluster(connection))
    }
}

impl AsyncCommands for Connection {
    async fn rl_query<T: Send>(&mut self, command: &Command<T>) -> Result<T, Error> {
        for_each_kind!(&mut self.0, connection => connection.rl_query(command).await)
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        for_each_kind!(&mut self.0, connection => connection.req_packed_command(cmd))
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        for_each_kind!(&mut self.0, connection => {
            connection.req_packed_commands(pipeline, offset, count)
        })
    }

    fn get_db(&self) -> i64 {
        for_each_kind!(&self.0, connection => connection.get_db())
    }
}
