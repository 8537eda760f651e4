//! What a limiter's URL says: which servers, and how to get a connection to them.

use std::time::Duration;

use redis::aio::AsyncPushSender;
use redis::{
    AsyncConnectionConfig, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisResult,
};

use super::connection::Connection;
use crate::Error;

/// Where connections come from.
pub(super) enum Target {
    /// One server.
    Single(redis::Client),
    /// A cluster.
    #[cfg(feature = "cluster-async")]
    Cluster(Vec<ConnectionInfo>),
    /// The primary that Sentinels know.
    #[cfg(feature = "sentinel")]
    Sentinel(tokio::sync::Mutex<redis::sentinel::SentinelClient>),
    /// The caller, who gave one.
    Given(Connection),
}

impl Target {
    /// The servers that a URL names; none for `memory://`.
    pub(super) fn parse(url: &str) -> Result<Option<Self>, Error> {
        let Some((scheme, place)) = url.split_once("://") else {
            return Err(Error::Config(format!("'{}' is no URL of a limiter", shown(url))));
        };
        let target = match scheme {
            "memory" if place.is_empty() => return Ok(None),
            "memory" => Err(Error::Config("memory:// has nothing after it".to_owned())),
            "redis" | "valkey" => single("redis", place),
            "rediss" | "valkeys" => single("rediss", place),
            "redis+unix" | "unix" => single(scheme, place),
            "redis+cluster" => cluster("redis", place),
            "rediss+cluster" => cluster("rediss", place),
            "redis+sentinel" => sentinel("redis", place),
            "rediss+sentinel" => sentinel("rediss", place),
            _ => Err(Error::Config(format!(
                "the scheme '{}' is not one of memory, redis, rediss, redis+cluster, \
                 rediss+cluster, redis+sentinel, rediss+sentinel, unix",
                shown(scheme)
            ))),
        };
        target.map(Some)
    }

    /// Whether a connection that was lost is replaced by a new one from here; others find their servers themselves.
    pub(super) fn makes_connections(&self) -> bool {
        match self {
            Self::Single(_) => true,
            #[cfg(feature = "sentinel")]
            Self::Sentinel(_) => true,
            #[cfg(feature = "cluster-async")]
            Self::Cluster(_) => false,
            Self::Given(_) => false,
        }
    }

    /// Whether the server can tell a connection, unasked, of what others change.
    pub(super) fn tells_of_changes(&self) -> bool {
        if let Self::Single(client) = self {
            let settings = client.get_connection_info().redis_settings();
            return settings.protocol() != ProtocolVersion::RESP2;
        }
        self.makes_connections()
    }

    /// A new connection, for a caller that waits no longer than `timeout`. `pushes` is given what the server tells
    /// unasked, where it can.
    pub(super) async fn connect(
        &self,
        timeout: Duration,
        pushes: impl AsyncPushSender,
    ) -> RedisResult<Connection> {
        // The limiter has timeouts of its own, over all that it does: they are over first, and say so.
        let timeout = 2 * timeout;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(timeout))
            .set_response_timeout(None);
        let config = if self.tells_of_changes() { config.set_push_sender(pushes) } else { config };
        Ok(match self {
            Self::Given(wire) => wire.clone(),
            Self::Single(client) => {
                client.get_multiplexed_async_connection_with_config(&config).await?.into()
            }
            #[cfg(feature = "cluster-async")]
            Self::Cluster(nodes) => redis::cluster::ClusterClient::builder(nodes.clone())
                .connection_timeout(timeout)
                .build()?
                .get_async_connection()
                .await?
                .into(),
            #[cfg(feature = "sentinel")]
            Self::Sentinel(client) => {
                client.lock().await.get_async_connection_with_config(&config).await?.into()
            }
        })
    }
}

/// RESP3, in which a server can tell of changes and a lost connection is told of; but what the URL says goes first.
fn settled(info: ConnectionInfo, url: &str) -> ConnectionInfo {
    if url.contains("protocol=") {
        return info;
    }
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    info.set_redis_settings(settings)
}

fn single(scheme: &str, place: &str) -> Result<Target, Error> {
    let info = server(scheme, place)?;
    redis::Client::open(info).map(Target::Single).map_err(|error| wrong(&error))
}

fn server(scheme: &str, place: &str) -> Result<ConnectionInfo, Error> {
    if scheme == "rediss" {
        prepare_tls()?;
    }
    let url = format!("{scheme}://{place}");
    let info = url.as_str().into_connection_info().map_err(|error| wrong(&error))?;
    Ok(settled(info, place))
}

/// The redis crate leaves the choice of the cryptography to the program: where it has made none, this makes it.
#[cfg(feature = "tls")]
#[expect(clippy::unnecessary_wraps, reason = "without the feature it fails")]
fn prepare_tls() -> Result<(), Error> {
    // An error says that the program has made its choice.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(())
}

#[cfg(not(feature = "tls"))]
fn prepare_tls() -> Result<(), Error> {
    Err(without("rediss://", "tls"))
}

/// `user:password@host:port,host:port/path?query`: each host as a server of its own, and the path.
#[cfg(any(feature = "cluster-async", feature = "sentinel"))]
fn servers(
    scheme: &str,
    place: &str,
    path: impl Fn(&str) -> Result<String, Error>,
) -> Result<Vec<ConnectionInfo>, Error> {
    let (place, query) = match place.split_once('?') {
        Some((place, query)) => (place, format!("?{query}")),
        None => (place, String::new()),
    };
    let (authority, given_path) = place.split_once('/').unwrap_or((place, ""));
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), authority),
    };
    let path = path(given_path)?;
    hosts.split(',').map(|host| server(scheme, &format!("{user}{host}/{path}{query}"))).collect()
}

#[cfg(feature = "cluster-async")]
fn cluster(scheme: &str, place: &str) -> Result<Target, Error> {
    let nodes = servers(scheme, place, |path| {
        if path.is_empty() || path == "0" {
            return Ok(String::new());
        }
        Err(Error::Config(format!("a cluster has no database '{}'", shown(path))))
    })?;
    redis::cluster::ClusterClient::new(nodes.clone()).map_err(|error| wrong(&error))?;
    Ok(Target::Cluster(nodes))
}

#[cfg(not(feature = "cluster-async"))]
fn cluster(scheme: &str, _place: &str) -> Result<Target, Error> {
    Err(without(&format!("{scheme}+cluster://"), "cluster-async"))
}

#[cfg(feature = "sentinel")]
fn sentinel(scheme: &str, place: &str) -> Result<Target, Error> {
    use std::cell::RefCell;

    use redis::TlsMode;
    use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};

    let service = RefCell::new(String::new());
    let found = servers(scheme, place, |path| {
        let (name, database) = path.split_once('/').unwrap_or((path, ""));
        if name.is_empty() {
            let text = "a Sentinel's URL names the service: redis+sentinel://host:26379/service";
            return Err(Error::Config(text.to_owned()));
        }
        name.clone_into(&mut service.borrow_mut());
        Ok(database.to_owned())
    })?;
    let settings = found.first().map(|info| info.redis_settings().clone());
    let settings = settings.unwrap_or_default();
    // The name, the password and the database are those of the server; a Sentinel is asked without.
    let plain = settings.clone().set_db(0);
    let plain = match plain.username().or(plain.password()) {
        None => plain,
        Some(_) => redis::RedisConnectionInfo::default().set_protocol(settings.protocol()),
    };
    let sentinels: Vec<_> =
        found.into_iter().map(|info| info.set_redis_settings(plain.clone())).collect();
    let node = SentinelNodeConnectionInfo::default().set_redis_connection_info(settings);
    let node = if scheme == "rediss" { node.set_tls_mode(TlsMode::Secure) } else { node };
    let service = service.into_inner();
    SentinelClient::build(sentinels, service, Some(node), SentinelServerType::Master)
        .map(|client| Target::Sentinel(tokio::sync::Mutex::new(client)))
        .map_err(|error| wrong(&error))
}

#[cfg(not(feature = "sentinel"))]
fn sentinel(scheme: &str, _place: &str) -> Result<Target, Error> {
    Err(without(&format!("{scheme}+sentinel://"), "sentinel"))
}

#[cfg(not(all(feature = "tls", feature = "cluster-async", feature = "sentinel")))]
fn without(scheme: &str, feature: &str) -> Error {
    Error::Config(format!("{scheme} needs ratelog-client's feature '{feature}'"))
}

fn wrong(error: &redis::RedisError) -> Error {
    Error::Config(format!("the limiter's URL: {error}"))
}

/// As much of a wrong text as an error should repeat; what is before an `@` may be a password.
fn shown(text: &str) -> String {
    let text = text.rsplit_once('@').map_or(text, |(_, place)| place);
    text.chars().take(60).collect()
}
