//! A limiter's URL.

use redis::{ConnectionInfo, IntoConnectionInfo, ProtocolVersion};

use super::connector::Connector;
use super::seeds::Seeds;
use crate::Error;

/// The servers that a URL names.
pub(crate) enum Target {
    /// One server.
    Server(Connector),
    /// The cluster of these nodes.
    Cluster(Seeds),
}

impl Target {
    /// Parses a URL; `None` for `memory://`.
    pub(crate) fn parse(url: &str) -> Result<Option<Self>, Error> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(Error::Config(format!("'{}' is not a URL of a limiter", excerpt(url))));
        };
        let target = match scheme {
            "memory" if rest.is_empty() => return Ok(None),
            "memory" => Err(Error::Config("memory:// takes no host".to_owned())),
            "redis" | "valkey" => single("redis", rest),
            "rediss" | "valkeys" => single("rediss", rest),
            "redis+unix" | "unix" => single(scheme, rest),
            "redis+cluster" => cluster("redis", rest),
            "rediss+cluster" => cluster("rediss", rest),
            "redis+sentinel" => sentinel("redis", rest),
            "rediss+sentinel" => sentinel("rediss", rest),
            _ => Err(Error::Config(format!(
                "the scheme '{}' is not one of memory, redis, rediss, redis+cluster, \
                 rediss+cluster, redis+sentinel, rediss+sentinel, unix",
                excerpt(scheme)
            ))),
        };
        target.map(Some)
    }
}

fn single(scheme: &str, rest: &str) -> Result<Target, Error> {
    node(scheme, rest).map(|node| Target::Server(Connector::Single(node)))
}

fn node(scheme: &str, rest: &str) -> Result<ConnectionInfo, Error> {
    if scheme == "rediss" {
        prepare_tls()?;
    }
    let url = format!("{scheme}://{rest}");
    let info = url.as_str().into_connection_info().map_err(|error| invalid_url(&error))?;
    if rest.contains("protocol=") {
        return Ok(info);
    }
    // Only RESP3 has pushes, which report changed keys and a closed connection.
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    Ok(info.set_redis_settings(settings))
}

/// The `redis` crate leaves the choice of a cryptography provider to the program. This makes a choice if it made none.
#[cfg(feature = "tls")]
#[expect(clippy::unnecessary_wraps, reason = "it fails without the feature")]
fn prepare_tls() -> Result<(), Error> {
    // An error means that the program has chosen.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(())
}

#[cfg(not(feature = "tls"))]
fn prepare_tls() -> Result<(), Error> {
    Err(missing_feature("rediss://", "tls"))
}

/// Parses `user:password@host:port,host:port/path?query` into one node per host. `map_path` gives the path of each
/// node.
fn nodes(
    scheme: &str,
    rest: &str,
    map_path: impl FnOnce(&str) -> Result<String, Error>,
) -> Result<Vec<ConnectionInfo>, Error> {
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, format!("?{query}")),
        None => (rest, String::new()),
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), authority),
    };
    let path = map_path(path)?;
    hosts.split(',').map(|host| node(scheme, &format!("{user}{host}/{path}{query}"))).collect()
}

fn cluster(scheme: &str, rest: &str) -> Result<Target, Error> {
    let nodes = nodes(scheme, rest, |path| {
        if path.is_empty() || path == "0" {
            return Ok(String::new());
        }
        Err(Error::Config(format!("a cluster has no database '{}'", excerpt(path))))
    })?;
    let addresses = nodes.iter().map(|node| node.addr().to_string()).collect();
    let first = nodes.into_iter().next();
    let no_nodes = || Error::Config("the URL names no node of the cluster".to_owned());
    Ok(Target::Cluster(Seeds { first: first.ok_or_else(no_nodes)?, addresses }))
}

#[cfg(feature = "sentinel")]
fn sentinel(scheme: &str, rest: &str) -> Result<Target, Error> {
    use redis::TlsMode;
    use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};

    let mut service = String::new();
    let nodes = nodes(scheme, rest, |path| {
        let (name, database) = path.split_once('/').unwrap_or((path, ""));
        if name.is_empty() {
            let text = "a Sentinel URL must name the service: redis+sentinel://host:26379/service";
            return Err(Error::Config(text.to_owned()));
        }
        name.clone_into(&mut service);
        Ok(database.to_owned())
    })?;
    let settings = nodes.first().map(|node| node.redis_settings().clone()).unwrap_or_default();
    let protocol = settings.protocol();
    // User, password and database are the primary's. The Sentinels take none.
    #[cfg(feature = "nodes")]
    let database = settings.db();
    let plain = settings.clone().set_db(0);
    let plain = match plain.username().or(plain.password()) {
        None => plain,
        Some(_) => redis::RedisConnectionInfo::default().set_protocol(protocol),
    };
    let sentinels: Vec<_> =
        nodes.into_iter().map(|node| node.set_redis_settings(plain.clone())).collect();
    let primary = SentinelNodeConnectionInfo::default().set_redis_connection_info(settings);
    let primary = if scheme == "rediss" { primary.set_tls_mode(TlsMode::Secure) } else { primary };
    SentinelClient::build(sentinels, service.clone(), Some(primary), SentinelServerType::Master)
        .map(tokio::sync::Mutex::new)
        .map(|client| {
            Target::Server(Connector::Sentinel {
                client,
                service,
                protocol,
                #[cfg(feature = "nodes")]
                database,
            })
        })
        .map_err(|error| invalid_url(&error))
}

#[cfg(not(feature = "sentinel"))]
fn sentinel(scheme: &str, _rest: &str) -> Result<Target, Error> {
    Err(missing_feature(&format!("{scheme}+sentinel://"), "sentinel"))
}

#[cfg(not(all(feature = "tls", feature = "sentinel")))]
fn missing_feature(scheme: &str, feature: &str) -> Error {
    Error::Config(format!("{scheme} needs ratelog-client's feature '{feature}'"))
}

fn invalid_url(error: &redis::RedisError) -> Error {
    Error::Config(format!("the limiter's URL is invalid: {error}"))
}

/// The part of an invalid text that an error may repeat. Text before an `@` may be a password.
fn excerpt(text: &str) -> String {
    let text = text.rsplit_once('@').map_or(text, |(_, rest)| rest);
    text.chars().take(60).collect()
}
