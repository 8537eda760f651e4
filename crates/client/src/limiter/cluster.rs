//! The shards of a cluster: one [`Remote`] for each node that owns hash slots.
//!
//! The connections of the `redis` crate to a cluster find the nodes themselves. But while such a connection opens one to
//! a lost node, it sends nothing to the others, and an error does not say which node it comes from. So the limiter has a
//! connection and a circuit breaker for each node.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak,
};

use ratelog_client_core::Clock;
use ratelog_client_core::engine::{Breaker, DenyCache, ProbeBackoff, ShardMap, hash_slot};
use ratelog_client_core::script::log_of_key;
use redis::ConnectionInfo;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::connector::Connector;
use super::deadline::Deadline;
use super::failovers::Failovers;
use super::health::Health;
use super::outage_log::OutageLog;
use super::redirect::Redirect;
use super::remote::{Remote, Settings};
use super::seeds::{Seeds, host_of};
use super::topology::Topology;
use super::unanswered_log::UnansweredLog;
use crate::Error;

const NO_OWNER: &str = "no node of the cluster owns the key's hash slot";

pub(super) struct Cluster {
    /// The nodes of the URL.
    seeds: Seeds,
    settings: Settings,
    /// Runs the connections and the probes. Callers may have runtimes that end before.
    runtime: Handle,
    deny_cache: Option<Arc<DenyCache>>,
    clock: Clock,
    shards: RwLock<ShardMap<Arc<Remote>>>,
    /// The addresses of all known nodes, also of replicas.
    addresses: Mutex<BTreeSet<String>>,
    /// The state of the search for nodes until the first one answers.
    discovery: Breaker,
    outage_log: OutageLog,
    failovers: Failovers,
    /// Checks of keys whose slot no node owns.
    unowned_log: UnansweredLog,
    /// Asks for the topology: a shard is lost, or its slots have moved.
    doubt: Arc<Notify>,
    /// The place of the shard that is asked for the topology first.
    next: AtomicUsize,
}

impl Cluster {
    pub(super) fn new(
        seeds: Seeds,
        settings: Settings,
        deny_cache: Option<Arc<DenyCache>>,
        clock: Clock,
    ) -> Self {
        Self {
            seeds,
            settings,
            runtime: Handle::current(),
            deny_cache,
            clock,
            shards: RwLock::default(),
            addresses: Mutex::default(),
            discovery: Breaker::new(settings.failure_threshold, Clock::system_now()),
            outage_log: OutageLog::default(),
            failovers: Failovers::default(),
            unowned_log: UnansweredLog::default(),
            doubt: Arc::default(),
            next: AtomicUsize::new(0),
        }
    }

    /// Looks for the nodes once, and connects to them. Goes on in the background.
    pub(super) async fn start(self: &Arc<Self>) {
        self.refresh().await;
        self.runtime.spawn(follow(Arc::downgrade(self), Arc::clone(&self.doubt), self.settings));
    }

    /// The shard of a key; an error if no node owns its slot.
    pub(super) fn shard_of(&self, key: &[u8]) -> Result<Arc<Remote>, String> {
        let shards = self.shards();
        if let Some(shard) = shards.of_key(&routed_name(&shards, key)) {
            return Ok(Arc::clone(shard));
        }
        self.doubt.notify_one();
        Err(match shards.iter().len() {
            0 => self.discovery.last_error(),
            _ => NO_OWNER.to_owned(),
        })
    }

    /// Returns whether a check of a key is made with the script, on the node that has its log.
    pub(super) fn uses_script(&self, key: &[u8]) -> bool {
        uses_script(&self.shards(), key)
    }

    /// The hash slot of a key.
    pub(super) fn slot_of(&self, key: &[u8]) -> u16 {
        hash_slot(&routed_name(&self.shards(), key))
    }

    /// Counts and logs a check of a key, if no node owns its slot. While no node is known, the outage is logged instead.
    pub(super) fn record_unowned(&self, key: &[u8], checks: usize) {
        let is_unowned = {
            let shards = self.shards();
            shards.iter().len() > 0 && shards.of_key(&routed_name(&shards, key)).is_none()
        };
        if checks > 0 && is_unowned {
            let error = Error::Unavailable(NO_OWNER.to_owned());
            self.unowned_log.record(&self.name(), checks, &error, Clock::monotonic_now());
        }
    }

    /// The shard that a node names instead of itself. Waits until it is connected, but not beyond the deadline.
    pub(super) async fn redirected(
        self: &Arc<Self>,
        from: &Remote,
        redirect: &Redirect,
        deadline: Deadline,
    ) -> Arc<Remote> {
        let address = redirect.address_for(host_of(from.name()));
        let shard = {
            let mut shards = self.shards_mut();
            let shard = shards.get_or_insert(&address, |address| self.create(address));
            if !redirect.is_ask && shards.set_owner(redirect.slot, &address) {
                self.doubt.notify_one();
                self.invalidate_denials();
            }
            shard
        };
        // The shard has to be started even if the caller is cancelled.
        let starting = self.runtime.spawn({
            let shard = Arc::clone(&shard);
            async move {
                shard.start().await;
            }
        });
        let started = deadline.run(async { Ok(starting.await.is_ok()) }).await;
        // If it is not connected by now, it is unavailable.
        drop(started);
        shard
    }

    pub(super) fn health(&self) -> Health {
        let shards: Vec<_> = self.shards().iter().map(|(_, shard)| shard.health()).collect();
        let mut discovery = self.discovery.status();
        // No check is counted before the search for the nodes has ended, so this is the later error.
        discovery.last_error = self.unowned_log.last_error().or(discovery.last_error);
        let mut health = Health::of_cluster(discovery, shards);
        health.unanswered = health.unanswered.saturating_add(self.unowned_log.total());
        health
    }

    /// Reads the topology from a node, connects to new shards, and drops those that own no slots any more. Returns whether
    /// slots have another owner than before.
    async fn refresh(self: &Arc<Self>) -> bool {
        let is_first = self.shards().iter().len() == 0;
        if is_first {
            self.discovery.begin_probe(Clock::system_now());
        }
        let topology = match self.fetch_topology().await {
            Ok(topology) => topology,
            Err(error) => {
                if is_first {
                    self.discovery.record_probe_failure(error.to_string(), Clock::system_now());
                    self.outage_log.unavailable(&self.name(), &self.discovery.last_error());
                }
                return false;
            }
        };
        let addresses = topology.addresses();
        let shards = ShardMap::from_ranges(topology.ranges, |address| {
            let known = self.shards().get(address).cloned();
            known.unwrap_or_else(|| self.create(address))
        });
        // Until new shards are connected, the old owners of their slots redirect to them.
        let mut starting = JoinSet::new();
        for (_, shard) in shards.iter() {
            let shard = Arc::clone(shard);
            starting.spawn(async move { shard.start().await });
        }
        starting.join_all().await;
        // A node that left may return as that of another cluster.
        *self.addresses() = addresses;
        let mut current = self.shards_mut();
        let is_changed = !current.has_same_owners(&shards);
        if is_changed {
            self.invalidate_denials();
        }
        let previous = std::mem::replace(&mut *current, shards);
        drop(current);
        let current = self.shards();
        for (address, shard) in previous.iter() {
            if current.get(address).is_none() {
                self.failovers.add(shard, previous.slots_of(address));
            }
        }
        let replaced = self.failovers.take_ended(&current);
        drop(current);
        for shard in replaced {
            shard.log_replacement();
        }
        if is_first {
            self.discovery.record_recovery(Clock::system_now());
            self.outage_log.recovered(&self.name());
        }
        is_changed
    }

    /// Asks shards that are available, one after the other; and if none answers, all known nodes at once.
    async fn fetch_topology(&self) -> Result<Topology, Error> {
        let mut shards: Vec<_> = self.shards().iter().map(|(_, shard)| Arc::clone(shard)).collect();
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let middle = next.checked_rem(shards.len()).unwrap_or(0);
        shards.rotate_left(middle);
        for shard in shards.iter().filter(|shard| shard.is_available()) {
            let Some(mut connection) = shard.connection() else { continue };
            let query = Topology::query(&mut connection, host_of(shard.name()));
            if let Ok(topology) = Deadline::after(self.settings.timeout).run(query).await {
                return Ok(topology);
            }
        }
        let mut queries = JoinSet::new();
        for node in self.nodes() {
            let timeout = self.settings.connect_timeout;
            queries.spawn(async move {
                let connector = Connector::Single(node);
                let query = async {
                    let mut connection =
                        connector.connect(timeout, |_| Ok::<(), Infallible>(())).await?;
                    Topology::query(&mut connection, host_of(&connector.to_string())).await
                };
                Deadline::after(timeout).run(query).await
            });
        }
        Topology::first(queries).await
    }

    /// All nodes that may know the topology.
    fn nodes(&self) -> Vec<ConnectionInfo> {
        let all: BTreeSet<_> = self.addresses().union(&self.seeds.addresses).cloned().collect();
        all.iter().map(|address| self.seeds.node_at(address)).collect()
    }

    fn create(&self, address: &str) -> Arc<Remote> {
        let connector = Connector::Single(self.seeds.node_at(address));
        let (deny_cache, clock) = (self.deny_cache.clone(), self.clock.clone());
        let doubt = Some(Arc::clone(&self.doubt));
        Arc::new(Remote::new(
            connector,
            self.settings,
            self.runtime.clone(),
            deny_cache,
            clock,
            doubt,
        ))
    }

    fn invalidate_denials(&self) {
        // Their node no longer reports changes of the keys that moved.
        if let Some(deny_cache) = &self.deny_cache {
            deny_cache.invalidate_all();
        }
    }

    fn name(&self) -> String {
        format!("the cluster of {}", self.seeds.first.addr())
    }

    fn shards(&self) -> RwLockReadGuard<'_, ShardMap<Arc<Remote>>> {
        self.shards.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn shards_mut(&self) -> RwLockWriteGuard<'_, ShardMap<Arc<Remote>>> {
        self.shards.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn addresses(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Ends the task of `follow`.
        self.doubt.notify_one();
    }
}

/// Reads the topology when it is in doubt, and until the first node answers. Ends with the cluster.
async fn follow(cluster: Weak<Cluster>, doubt: Arc<Notify>, settings: Settings) {
    let backoff = || ProbeBackoff::new(settings.probe_min_interval, settings.probe_max_interval);
    let mut waits = backoff();
    let mut refreshed_at = Clock::monotonic_now();
    loop {
        let Some(is_known) = cluster.upgrade().map(|cluster| cluster.shards().iter().len() > 0)
        else {
            return;
        };
        if is_known {
            doubt.notified().await;
        }
        let Some(cluster) = cluster.upgrade() else { return };
        // A doubt long after the last one is about something else.
        let quiet = Clock::monotonic_now().saturating_duration_since(refreshed_at);
        if cluster.refresh().await || quiet > 2 * settings.probe_max_interval {
            waits = backoff();
        }
        refreshed_at = Clock::monotonic_now();
        drop(cluster);
        // Many checks may be in doubt at once.
        tokio::time::sleep(waits.next().unwrap_or(settings.probe_max_interval)).await;
    }
}

/// Returns whether the shard that owns the slot of a key uses the script.
fn uses_script(shards: &ShardMap<Arc<Remote>>, key: &[u8]) -> bool {
    shards.of_key(key).is_some_and(|shard| shard.uses_script())
}

/// The name whose hash slot decides the shard of a key: the key's own, or that of its log if the script stores it.
fn routed_name<'a>(shards: &ShardMap<Arc<Remote>>, key: &'a [u8]) -> Cow<'a, [u8]> {
    if uses_script(shards, key) { Cow::Owned(log_of_key(key)) } else { Cow::Borrowed(key) }
}
