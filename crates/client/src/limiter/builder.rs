use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ratelog_client_core::{DenyCache, Policies};
use ratelog_core::{Policy, PolicyName};

use super::connection::Connection;
use super::fallback::{Backend, Fallback};
use super::local::Local;
use super::remote::{Remote, Settings};
use super::target::Target;
use super::{Parts, RateLimiter};
use crate::Error;

/// The settings of a [`RateLimiter`].
#[must_use]
pub struct Builder {
    target: Option<Target>,
    settings: Settings,
    fallback: Fallback,
    policies: HashMap<PolicyName, Policy>,
    denials: usize,
    local_bytes: usize,
}

impl Builder {
    /// A limiter of the servers that `url` names.
    ///
    /// | URL | |
    /// | --- | --- |
    /// | `memory://` | none: this process alone |
    /// | `redis://user:password@host:6379/0` | one server; `rediss://` with TLS (feature `tls`) |
    /// | `unix:///path/to/socket` | one server on this machine |
    /// | `redis+cluster://host:7000,host:7001` | a cluster, found by any of its nodes (feature `cluster-async`) |
    /// | `redis+sentinel://host:26379,host:26379/service/0` | the primary that Sentinels know by that name (feature `sentinel`); user and password are the primary's |
    ///
    /// `rediss+cluster://` and `rediss+sentinel://` take TLS. RESP3 is spoken unless `?protocol=resp2` says otherwise.
    ///
    /// # Errors
    /// [`Error::Config`] for any other scheme, for a feature that is not there, and for what the redis crate cannot
    /// read.
    pub fn new(url: &str) -> Result<Self, Error> {
        Target::parse(url).map(Self::of)
    }

    /// A limiter over a connection that is there already: a `MultiplexedConnection`, a `ConnectionManager` or an
    /// asynchronous `ClusterConnection`. It is used as it is, so a connection that cannot mend itself stays broken.
    pub fn over(connection: impl Into<Connection>) -> Self {
        Self::of(Some(Target::Given(connection.into())))
    }

    fn of(target: Option<Target>) -> Self {
        Self {
            target,
            settings: Settings {
                timeout: Duration::from_millis(100),
                connect_timeout: Duration::from_secs(1),
                failures: 5,
                probe_min: Duration::from_millis(100),
                probe_max: Duration::from_secs(5),
                backend: Backend::Auto,
            },
            fallback: Fallback::default(),
            policies: HashMap::new(),
            denials: 0,
            local_bytes: 64 << 20,
        }
    }

    /// The longest that a check waits for the server; 100 ms unless told otherwise.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// The longest that making a connection may take, and asking a first question; one second unless told otherwise. No
    /// check waits for it.
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.connect_timeout = timeout;
        self
    }

    /// After how many checks in a row without an answer the circuit breaker opens; 5 unless told otherwise. A lost
    /// connection opens it at once.
    pub const fn failures(mut self, failures: NonZeroU32) -> Self {
        self.settings.failures = failures.get();
        self
    }

    /// How long after a failed probe the next follows: `min` at first, twice as long each time, and `max` at most, all
    /// with jitter; from 100 ms to 5 s unless told otherwise.
    pub const fn probe_every(mut self, min: Duration, max: Duration) -> Self {
        self.settings.probe_min = min;
        self.settings.probe_max = max;
        self
    }

    /// What becomes of checks while the server is away; decided in this process unless told otherwise.
    pub const fn fallback(mut self, fallback: Fallback) -> Self {
        self.fallback = fallback;
        self
    }

    /// What answers checks in the server; found out unless told otherwise.
    pub const fn backend(mut self, backend: Backend) -> Self {
        self.settings.backend = backend;
        self
    }

    /// Remembers denials until their retry-after, of at most `keys` keys; 0, the default, turns this off.
    ///
    /// A denial is forgotten when this limiter refunds, resets or overrides the key. On a single server or behind
    /// Sentinels, over RESP3, it is also forgotten when anybody else does (the server tracks the keys for this
    /// connection, for which its user needs the command `CLIENT TRACKING`); elsewhere it then holds until its
    /// retry-after. A denial under a policy is asked for again after a second, as the policy may have changed. Checks
    /// that are answered from here are not in the server's statistics.
    pub const fn deny_cache(mut self, keys: usize) -> Self {
        self.denials = keys;
        self
    }

    /// The memory that [`Fallback::Local`] and `memory://` may take for all keys together, in bytes; 64 MiB unless told
    /// otherwise. Where it is not enough, the keys that would soonest be empty are forgotten.
    pub const fn local_bytes(mut self, bytes: usize) -> Self {
        self.local_bytes = bytes;
        self
    }

    /// The policy of that name, for when this process decides. Others are learnt from the server, when they are used.
    pub fn policy(mut self, name: PolicyName, policy: Policy) -> Self {
        self.policies.insert(name, policy);
        self
    }

    /// The limiter, after one try to reach the server. Must be called on a tokio runtime, which then looks after the
    /// connection.
    ///
    /// # Errors
    /// [`Error::Config`] for settings that contradict each other. A server that is away is no error: the fallback
    /// serves until it is there.
    pub async fn build(self) -> Result<RateLimiter, Error> {
        let Settings { timeout, probe_min, probe_max, .. } = self.settings;
        if timeout.is_zero() || self.settings.connect_timeout.is_zero() {
            return Err(Error::Config("a timeout of zero leaves no time for an answer".to_owned()));
        }
        if probe_min.is_zero() || probe_min > probe_max {
            return Err(Error::Config(format!(
                "probes cannot follow in {probe_min:?} to {probe_max:?}"
            )));
        }
        let instances = match (&self.target, self.fallback) {
            (Some(_), Fallback::Local { instances }) => instances,
            _ => NonZeroU32::MIN,
        };
        let denials = (self.denials > 0).then(|| Arc::new(DenyCache::new(self.denials)));
        let remote =
            self.target.map(|target| Arc::new(Remote::new(target, self.settings, denials.clone())));
        if let Some(remote) = &remote {
            remote.start().await;
        }
        Ok(RateLimiter(Arc::new(Parts {
            remote,
            local: Local::new(self.local_bytes, instances),
            policies: Arc::new(Policies::new(self.policies)),
            fallback: self.fallback,
            denials,
            since: SystemTime::now(),
        })))
    }
}
