use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use ratelog_client_core::Clock;
use ratelog_client_core::engine::{DenyCache, Policies};
use ratelog_core::limiter::Limiter;
use ratelog_core::{Policy, PolicyName};

use super::connection::Connection;
use super::connector::Connector;
use super::engine::Engine;
use super::fallback::{Backend, Fallback};
use super::local::Local;
use super::log_interval::LogInterval;
use super::rate_limiter::RateLimiter;
use super::remote::Settings;
use super::servers::Servers;
use super::target::Target;
use crate::Error;

/// The longest time of a setting, one day.
const MAX_TIME: Duration = Duration::from_secs(86_400);

/// The settings of a [`RateLimiter`].
///
/// ```
/// use ratelog_client::{Rules, Source};
/// use ratelog_client::limiter::{Builder, Fallback};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // No server listens on this port.
/// let limiter = Builder::new("redis://127.0.0.1:1/")?
///     .timeout(Duration::from_millis(50))
///     .fallback(Fallback::Deny)
///     .build()
///     .await?;
/// let rules: Rules = "100/minute".parse()?;
/// let decision = limiter.check("user:42", &rules).await?;
/// assert_eq!((decision.allowed(), decision.source()), (false, Source::Fallback));
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct Builder {
    target: Option<Target>,
    settings: Settings,
    fallback: Fallback,
    policies: HashMap<PolicyName, Policy>,
    deny_cache: usize,
    local_max_bytes: usize,
    clock: Clock,
}

impl RateLimiter {
    /// A limiter with default settings; [`Builder::new`] lists the URLs.
    ///
    /// # Errors
    /// [`Error::Config`] for an invalid URL. An unavailable server is not an error: the fallback answers until it is
    /// available.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Builder::new(url)?.build().await
    }
}

impl Builder {
    /// A limiter for the servers that `url` names.
    ///
    /// | URL | connects to |
    /// | --- | --- |
    /// | `memory://` | nothing: this process decides |
    /// | `redis://user:password@host:6379/0` | one server; `rediss://` with TLS (feature `tls`) |
    /// | `unix:///path/to/socket` | one server on this machine |
    /// | `redis+cluster://host:7000,host:7001` | a cluster, through any of its nodes |
    /// | `redis+sentinel://host:26379,host:26379/service/0` | the primary of that Sentinel service (feature `sentinel`); user and password are the primary's |
    ///
    /// `rediss+cluster://` and `rediss+sentinel://` use TLS. The protocol is RESP3, unless you add `?protocol=resp2`.
    ///
    /// # Errors
    /// [`Error::Config`] for any other scheme, for a scheme whose feature is off, and for a URL that the `redis` crate
    /// cannot parse.
    pub fn new(url: &str) -> Result<Self, Error> {
        Target::parse(url).map(Self::with_target)
    }

    /// A limiter on an open connection: a `MultiplexedConnection`, a `ConnectionManager` or an asynchronous
    /// `ClusterConnection`.
    ///
    /// The limiter does not replace it. If it is lost and does not reconnect itself, the server stays unavailable. The
    /// whole cluster of a `ClusterConnection` has one circuit breaker, so one lost shard makes checks of all shards
    /// slow or local; a limiter that you build from a `redis+cluster://` URL has one for each shard.
    pub fn over(connection: impl Into<Connection>) -> Self {
        Self::with_target(Some(Target::Server(Connector::Given(connection.into()))))
    }

    fn with_target(target: Option<Target>) -> Self {
        Self {
            target,
            settings: Settings {
                timeout: Duration::from_millis(100),
                connect_timeout: Duration::from_secs(1),
                failure_threshold: 5,
                probe_min_interval: Duration::from_millis(100),
                probe_max_interval: Duration::from_secs(5),
                backend: Backend::Auto,
            },
            fallback: Fallback::default(),
            policies: HashMap::new(),
            deny_cache: 0,
            local_max_bytes: Limiter::DEFAULT_MAX_BYTES,
            clock: Clock::start(),
        }
    }

    /// The maximum time that a check waits for the server. Default: 100 ms.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// The maximum time to open a connection and probe the server. No check waits for it. Default: 1 s.
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.connect_timeout = timeout;
        self
    }

    /// The number of failed checks in a row after which the circuit breaker opens. A lost connection opens it at once.
    /// Default: 5.
    pub const fn failure_threshold(mut self, failures: NonZeroU32) -> Self {
        self.settings.failure_threshold = failures.get();
        self
    }

    /// The wait after the first failed probe, before jitter. Each wait is twice as long as the one before. Default:
    /// 100 ms.
    pub const fn probe_min_interval(mut self, interval: Duration) -> Self {
        self.settings.probe_min_interval = interval;
        self
    }

    /// The maximum wait between two probes, before jitter, which at most doubles it. Default: 5 s.
    pub const fn probe_max_interval(mut self, interval: Duration) -> Self {
        self.settings.probe_max_interval = interval;
        self
    }

    /// How checks are answered while the server is unavailable. Default: this process decides, and grants the whole
    /// limit.
    pub const fn fallback(mut self, fallback: Fallback) -> Self {
        self.fallback = fallback;
        self
    }

    /// The part of the server that answers checks. Default: the module if the server has it, else the script.
    pub const fn backend(mut self, backend: Backend) -> Self {
        self.settings.backend = backend;
        self
    }

    /// Caches the denials of at most `keys` keys until their retry-after. Default: 0, no cache.
    ///
    /// A denial is dropped when this limiter refunds, resets or overrides the key. Over RESP3, it is also dropped when
    /// anybody else does: the server tracks the keys for this connection, for which its user needs the permission to
    /// run `CLIENT TRACKING`. With RESP2, and on a connection that you passed to [`Self::over`], the denial stays until
    /// its retry-after. A denial under a policy is cached for a second at most, because the policy may change. The
    /// server's statistics do not count checks that the cache answers.
    pub const fn deny_cache(mut self, keys: usize) -> Self {
        self.deny_cache = keys;
        self
    }

    /// The maximum memory of [`Fallback::Local`] and `memory://` for all keys together, in bytes. When it is full, the
    /// keys that would be empty soonest are evicted. Default: 64 MiB.
    pub const fn local_max_bytes(mut self, bytes: usize) -> Self {
        self.local_max_bytes = bytes;
        self
    }

    /// Adds a policy for decisions in this process. Policies that you do not add are fetched from the server when they
    /// are used.
    pub fn policy(mut self, name: PolicyName, policy: Policy) -> Self {
        self.policies.insert(name, policy);
        self
    }

    /// The clock of decisions in this process, of cached denials, of fetched policies and of the search for the module;
    /// for tests. Timeouts and probes do not use it.
    #[doc(hidden)]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Builds the limiter, after one attempt to reach the server. Call it on a tokio runtime, which then runs the
    /// connection.
    ///
    /// # Errors
    /// [`Error::Config`] for a timeout or an interval of zero, and for a maximum interval under the minimum. An
    /// unavailable server is not an error: the fallback answers until it is available.
    pub async fn build(self) -> Result<RateLimiter, Error> {
        self.validate().map_err(Error::Config)?;
        let instances = match self.fallback {
            Fallback::Local { instances } => instances,
            _ => NonZeroU32::MIN,
        };
        let deny_cache = (self.deny_cache > 0).then(|| Arc::new(DenyCache::new(self.deny_cache)));
        let clock = self.clock;
        let servers = self
            .target
            .map(|target| Servers::new(target, self.settings, deny_cache.clone(), clock.clone()));
        if let Some(servers) = &servers {
            servers.start().await;
        }
        Ok(RateLimiter(Arc::new(Engine {
            servers,
            local: Local::new(self.local_max_bytes, instances, clock.clone()),
            policies: Arc::new(Policies::new(self.policies)),
            fallback: self.fallback,
            deny_cache,
            clock,
            since: Clock::system_now(),
            rejected_log: LogInterval::new(Duration::from_secs(60)),
        })))
    }

    fn validate(&self) -> Result<(), String> {
        let Settings { timeout, connect_timeout, .. } = self.settings;
        let Settings { probe_min_interval: min, probe_max_interval: max, .. } = self.settings;
        for (name, time) in [
            ("timeout", timeout),
            ("connect_timeout", connect_timeout),
            ("probe_min_interval", min),
            ("probe_max_interval", max),
        ] {
            if time.is_zero() {
                return Err(format!("{name} must be greater than zero"));
            }
            if time > MAX_TIME {
                return Err(format!("{name} must be at most {MAX_TIME:?}"));
            }
        }
        if min > max {
            return Err(format!(
                "probe_max_interval ({max:?}) is less than probe_min_interval ({min:?})"
            ));
        }
        Ok(())
    }
}
