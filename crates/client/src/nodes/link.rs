//! The connection to one node: opened when it is needed, and again after it was lost.

use std::convert::Infallible;
use std::time::Duration;

use redis::ConnectionInfo;
use tokio::sync::Mutex;

use crate::command::Command;
use crate::limiter::Connection;
use crate::limiter::connector::Connector;
use crate::limiter::deadline::Deadline;
use crate::limiter::seeds::host_of;
use crate::{AsyncCommands, Error};

pub(super) struct Link {
    address: String,
    connector: Connector,
    timeout: Duration,
    connection: Mutex<Option<Connection>>,
}

impl Link {
    pub(super) fn new(info: ConnectionInfo, timeout: Duration) -> Self {
        Self {
            address: info.addr().to_string(),
            connector: Connector::Single(info),
            timeout,
            connection: Mutex::default(),
        }
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn host(&self) -> &str {
        host_of(&self.address)
    }

    /// Runs a command. `asking` says that another node has sent it here by an `ASK` error.
    pub(super) async fn query<T: Send>(
        &self,
        command: &Command<T>,
        asking: bool,
    ) -> Result<T, Error> {
        self.run(asking, async |connection| connection.rl_query(command).await).await
    }

    /// Runs a query on the connection.
    pub(super) async fn run<T>(
        &self,
        asking: bool,
        query: impl AsyncFnOnce(&mut Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let connection = Deadline::after(self.timeout).run(self.connection()).await;
        let connection = connection.map_err(|error| {
            Error::Unavailable(format!("cannot connect to {}: {error}", self.address))
        })?;
        let mut connection = if asking { connection.asking() } else { connection };
        let result = Deadline::after(self.timeout).run(query(&mut connection)).await;
        if result.as_ref().is_err_and(Error::is_outcome_unknown) {
            // A server that hangs does so on this connection; the next query finds out whether it still does.
            *self.connection.lock().await = None;
        }
        result
    }

    async fn connection(&self) -> Result<Connection, Error> {
        let mut current = self.connection.lock().await;
        if let Some(connection) = &*current {
            return Ok(connection.clone());
        }
        let ignore_pushes = |_| Ok::<(), Infallible>(());
        let connection = Box::pin(self.connector.connect(self.timeout, ignore_pushes)).await?;
        *current = Some(connection.clone());
        Ok(connection)
    }
}
