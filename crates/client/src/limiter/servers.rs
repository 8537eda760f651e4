//! The servers of a limiter: one, or the shards of a cluster.

use std::sync::Arc;

use ratelog_client_core::Clock;
use ratelog_client_core::engine::{DenyCache, Policies};
use tokio::runtime::Handle;

use super::cluster::Cluster;
use super::deadline::Deadline;
use super::health::Health;
use super::operation::Operation;
use super::redirect::MAX_REDIRECTS;
use super::remote::{QueryError, Remote, RunOptions, Settings};
use super::target::Target;
use crate::Error;

pub(super) struct Servers {
    kind: Kind,
    settings: Settings,
}

enum Kind {
    One(Arc<Remote>),
    Cluster(Arc<Cluster>),
}

/// The error of a query, with the server that it comes from.
pub(super) enum Failure {
    /// The server is unavailable.
    Unavailable(Arc<Remote>, Error),
    /// The server is available and rejected the operation.
    Rejected(Error),
}

impl Servers {
    pub(super) fn new(
        target: Target,
        settings: Settings,
        deny_cache: Option<Arc<DenyCache>>,
        clock: Clock,
    ) -> Self {
        let kind = match target {
            Target::Server(connector) => {
                let runtime = Handle::current();
                Kind::One(Arc::new(Remote::new(
                    connector, settings, runtime, deny_cache, clock, None,
                )))
            }
            Target::Cluster(seeds) => {
                Kind::Cluster(Arc::new(Cluster::new(seeds, settings, deny_cache, clock)))
            }
        };
        Self { kind, settings }
    }

    /// Connects to the servers. Those that are unavailable are probed in the background.
    pub(super) async fn start(&self) {
        match &self.kind {
            Kind::One(remote) => remote.start().await,
            Kind::Cluster(cluster) => cluster.start().await,
        }
    }

    /// The server of a key if it is available. The error is the reason why not.
    pub(super) fn available(&self, key: &[u8]) -> Result<Arc<Remote>, String> {
        let remote = match &self.kind {
            Kind::One(remote) => Arc::clone(remote),
            Kind::Cluster(cluster) => cluster.shard_of(key)?,
        };
        if remote.is_available() { Ok(remote) } else { Err(remote.last_error()) }
    }

    /// Counts checks of a key whose slot no node owns.
    pub(super) fn record_unowned(&self, key: &[u8], checks: usize) {
        if let Kind::Cluster(cluster) = &self.kind {
            cluster.record_unowned(key, checks);
        }
    }

    /// Returns whether the server of a key uses the script.
    pub(super) fn uses_script(&self, key: &[u8]) -> bool {
        match &self.kind {
            Kind::One(remote) => remote.uses_script(),
            Kind::Cluster(cluster) => cluster.uses_script(key),
        }
    }

    /// Whether one command can have all these keys.
    pub(super) fn have_one_shard<'a>(&self, keys: impl IntoIterator<Item = &'a [u8]>) -> bool {
        match &self.kind {
            Kind::One(_) => true,
            Kind::Cluster(cluster) => {
                // The log of the script may be in the slot of another key that the module checks.
                let slot_of = |key| (cluster.slot_of(key), cluster.uses_script(key));
                let mut slots = keys.into_iter().map(slot_of);
                let first = slots.next();
                slots.all(|slot| Some(slot) == first)
            }
        }
    }

    /// Runs one operation on the server of its key, within the timeout. Follows the redirects of a cluster.
    pub(super) async fn query<O: Operation>(
        &self,
        mut remote: Arc<Remote>,
        operation: &O,
        policies: &Policies,
    ) -> Result<O::Output, Failure> {
        let deadline = Deadline::after(self.settings.timeout);
        let (mut asking, mut via_script) = (false, self.uses_script(operation.key()));
        for _ in 0..=MAX_REDIRECTS {
            // The name of the log that the script uses may be in the slot of a node that has the module.
            via_script = via_script || remote.uses_script();
            let options = RunOptions { asking, via_script };
            match (remote.run(operation, policies, deadline, options).await, &self.kind) {
                (Ok(output), _) => return Ok(output),
                (Err(QueryError::Rejected(error)), _) => return Err(Failure::Rejected(error)),
                (Err(QueryError::Split(error)), _) if operation.can_be_split() => {
                    return Err(Failure::Rejected(error));
                }
                (Err(QueryError::Unavailable(error) | QueryError::Split(error)), _) => {
                    return Err(Failure::Unavailable(remote, error));
                }
                (Err(QueryError::Redirected(redirect)), Kind::Cluster(cluster)) => {
                    asking = redirect.is_ask;
                    remote = cluster.redirected(&remote, &redirect, deadline).await;
                }
                (Err(QueryError::Redirected(_)), Kind::One(_)) => break,
            }
        }
        let error = format!(
            "the nodes of the cluster redirect to each other, at last to {}",
            remote.name()
        );
        Err(Failure::Unavailable(remote, Error::Unavailable(error)))
    }

    /// The wait that a denial by the fallback reports: the longest wait between two probes, before jitter.
    pub(super) fn retry_after_ms(&self) -> u64 {
        u64::try_from(self.settings.probe_max_interval.as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn health(&self) -> Health {
        match &self.kind {
            Kind::One(remote) => Health::of_server(remote.health()),
            Kind::Cluster(cluster) => cluster.health(),
        }
    }
}
