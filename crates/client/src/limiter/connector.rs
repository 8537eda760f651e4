//! Connections to one server.

use std::fmt;
use std::time::Duration;

use redis::aio::AsyncPushSender;
use redis::{AsyncConnectionConfig, ConnectionInfo, ProtocolVersion, RedisResult};

use super::connection::Connection;

/// The source of the connections to one server.
pub(crate) enum Connector {
    /// One address.
    Single(ConnectionInfo),
    /// The primary that Sentinels report for a service.
    #[cfg(feature = "sentinel")]
    Sentinel {
        client: tokio::sync::Mutex<redis::sentinel::SentinelClient>,
        service: String,
        /// That of the primary.
        protocol: ProtocolVersion,
        #[cfg(feature = "nodes")]
        database: i64,
    },
    /// A connection that the caller opened.
    Given(Connection),
}

impl Connector {
    /// Whether the limiter opens a lost connection again. Other connections find their servers again themselves.
    pub(crate) fn is_reopened_by_limiter(&self) -> bool {
        match self {
            Self::Single(_) => true,
            #[cfg(feature = "sentinel")]
            Self::Sentinel { .. } => true,
            Self::Given(_) => false,
        }
    }

    /// Whether the server can push messages to a connection.
    pub(crate) fn supports_pushes(&self) -> bool {
        match self {
            Self::Single(node) => node.redis_settings().protocol() != ProtocolVersion::RESP2,
            #[cfg(feature = "sentinel")]
            Self::Sentinel { protocol, .. } => *protocol != ProtocolVersion::RESP2,
            Self::Given(_) => false,
        }
    }

    /// Opens a connection. `on_push` receives the server's pushes, if it supports them. The caller waits for at most
    /// `timeout`.
    pub(crate) async fn connect(
        &self,
        timeout: Duration,
        on_push: impl AsyncPushSender,
    ) -> RedisResult<Connection> {
        // The limiter's own timeout covers more than the connection. It must expire first, because its error says so.
        let timeout = 2 * timeout;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(timeout))
            .set_response_timeout(None);
        let config = if self.supports_pushes() { config.set_push_sender(on_push) } else { config };
        Ok(match self {
            Self::Given(connection) => connection.clone(),
            Self::Single(node) => {
                let client = redis::Client::open(node.clone())?;
                client.get_multiplexed_async_connection_with_config(&config).await?.into()
            }
            #[cfg(feature = "sentinel")]
            Self::Sentinel { client, .. } => {
                client.lock().await.get_async_connection_with_config(&config).await?.into()
            }
        })
    }
}

/// Names the server in the log.
impl fmt::Display for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Single(node) => node.addr().fmt(f),
            #[cfg(feature = "sentinel")]
            Self::Sentinel { service, .. } => write!(f, "the primary of {service}"),
            Self::Given(_) => f.write_str("the server of the given connection"),
        }
    }
}
