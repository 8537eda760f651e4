use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ratelog_client_core::engine::ShardMap;
use redis::ConnectionInfo;
use tokio::task::JoinSet;

use super::discovery;
use super::link::Link;
use super::node::{Node, Role};
use crate::Error;
use crate::command::Command;
use crate::limiter::connector::Connector;
#[cfg(feature = "sentinel")]
use crate::limiter::deadline::Deadline;
use crate::limiter::redirect::{MAX_REDIRECTS, Redirect};
use crate::limiter::seeds::Seeds;
use crate::limiter::target::Target;
use crate::limiter::topology::Topology;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

/// The servers behind a URL: one server and its replicas, the servers that Sentinels monitor, or a cluster.
///
/// It opens connections when they are needed, one for each node, and never retries a command.
pub struct Deployment {
    kind: Kind,
    database: i64,
    timeout: Duration,
    known: Mutex<Known>,
}

enum Kind {
    Server(ConnectionInfo),
    #[cfg(feature = "sentinel")]
    Sentinel(tokio::sync::Mutex<redis::sentinel::SentinelClient>),
    Cluster(Seeds),
}

/// The results of the last discovery.
#[derive(Default)]
struct Known {
    nodes: Arc<[Node]>,
    /// The owners of the slots of a cluster.
    shards: ShardMap<Arc<Link>>,
}

impl Deployment {
    /// The servers that `url` names. [`limiter::Builder::new`](crate::limiter::Builder::new) lists the URLs; `memory://`
    /// has no server.
    ///
    /// # Errors
    /// [`Error::Config`] for a URL that is invalid or names no server.
    pub fn new(url: &str) -> Result<Self, Error> {
        let no_server = || Error::Config("memory:// has no server".to_owned());
        let (kind, database) = match Target::parse(url)?.ok_or_else(no_server)? {
            Target::Cluster(seeds) => (Kind::Cluster(seeds), 0),
            Target::Server(Connector::Single(info)) => {
                let database = info.redis_settings().db();
                (Kind::Server(info), database)
            }
            #[cfg(feature = "sentinel")]
            Target::Server(Connector::Sentinel { client, database, .. }) => {
                (Kind::Sentinel(client), database)
            }
            Target::Server(Connector::Given(_)) => return Err(no_server()),
        };
        Ok(Self { kind, database, timeout: DEFAULT_TIMEOUT, known: Mutex::default() })
    }

    /// Sets the maximum time to connect to a node, and that to wait for its reply. Default: 1 s each.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Whether the servers are a cluster.
    #[must_use]
    pub const fn is_cluster(&self) -> bool {
        matches!(self.kind, Kind::Cluster(_))
    }

    /// The number of the database that the URL names.
    #[must_use]
    pub const fn database(&self) -> i64 {
        self.database
    }

    /// The nodes that the last discovery found, by address; empty before the first one.
    #[must_use]
    pub fn nodes(&self) -> Arc<[Node]> {
        Arc::clone(&self.known().nodes)
    }

    /// Asks the servers for the nodes, and keeps the connections of those that it knows already.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if no server can be reached; errors of the servers. [`Self::nodes`] stay as they were.
    pub async fn discover(&self) -> Result<Arc<[Node]>, Error> {
        match &self.kind {
            Kind::Server(info) => self.discover_server(info.clone()).await,
            #[cfg(feature = "sentinel")]
            Kind::Sentinel(client) => {
                let ask = async { Ok(client.lock().await.async_get_client().await?) };
                let primary = Deadline::after(self.timeout).run(ask).await;
                let primary = primary.map_err(|error| {
                    Error::Unavailable(format!("the Sentinels name no primary: {error}"))
                })?;
                self.discover_server(primary.get_connection_info().clone()).await
            }
            Kind::Cluster(seeds) => {
                let topology = self.fetch_topology(seeds).await?;
                let nodes = discovery::of_cluster(&topology);
                let links = self.links(seeds, nodes.keys());
                let shards = ShardMap::from_ranges(topology.ranges, |address| {
                    links.get(address).map_or_else(|| self.link(seeds, address), Arc::clone)
                });
                self.known().shards = shards;
                Ok(self.publish(nodes, &links))
            }
        }
    }

    /// Runs a command on the primary of its key, and follows the redirects of a cluster. A command without a key runs on
    /// the first primary.
    ///
    /// # Errors
    /// As [`Node::query`].
    pub async fn query<T: Send>(&self, command: &Command<T>) -> Result<T, Error> {
        if self.nodes().is_empty() {
            self.discover().await?;
        }
        let mut link = self.link_for(command)?;
        let mut asking = false;
        for _ in 0..=MAX_REDIRECTS {
            let error = match link.query(command, asking).await {
                Err(error) => error,
                reply => return reply,
            };
            let Some((redirect, Kind::Cluster(seeds))) =
                Redirect::from_error(&error).map(|redirect| (redirect, &self.kind))
            else {
                return Err(error);
            };
            let address = redirect.address_for(link.host());
            let mut known = self.known();
            link = known.shards.get_or_insert(&address, |address| self.link(seeds, address));
            asking = redirect.is_ask;
            if !redirect.is_ask {
                known.shards.set_owner(redirect.slot, &address);
            }
        }
        Err(Error::Unavailable("the nodes of the cluster redirect to each other".to_owned()))
    }

    fn link_for<T>(&self, command: &Command<T>) -> Result<Arc<Link>, Error> {
        let known = self.known();
        if let (Kind::Cluster(_), Some(key)) = (&self.kind, command.key()) {
            let owner = known.shards.of_key(key).cloned();
            return owner.ok_or_else(|| {
                Error::Unavailable("no node of the cluster owns the key's hash slot".to_owned())
            });
        }
        let primary = known.nodes.iter().find(|node| node.is_primary());
        let primary = primary.map(|node| Arc::clone(&node.link));
        primary.ok_or_else(|| Error::Unavailable("no primary is known".to_owned()))
    }

    async fn discover_server(&self, info: ConnectionInfo) -> Result<Arc<[Node]>, Error> {
        let seeds = Seeds { addresses: [info.addr().to_string()].into(), first: info };
        let first = self.links(&seeds, seeds.addresses.iter());
        let link = first
            .into_values()
            .next()
            .unwrap_or_else(|| Arc::new(Link::new(seeds.first.clone(), self.timeout)));
        let nodes = discovery::of_server(&link).await?;
        let mut links = self.links(&seeds, nodes.keys());
        links.insert(link.address().to_owned(), link);
        Ok(self.publish(nodes, &links))
    }

    fn publish(
        &self,
        nodes: BTreeMap<String, Role>,
        links: &BTreeMap<String, Arc<Link>>,
    ) -> Arc<[Node]> {
        let nodes: Arc<[Node]> = nodes
            .into_iter()
            .filter_map(|(address, role)| {
                Some(Node { link: Arc::clone(links.get(&address)?), role })
            })
            .collect();
        self.known().nodes = Arc::clone(&nodes);
        nodes
    }

    /// The connections to these nodes: those that there are, and new ones.
    fn links<'a>(
        &self,
        seeds: &Seeds,
        addresses: impl Iterator<Item = &'a String>,
    ) -> BTreeMap<String, Arc<Link>> {
        let known = self.nodes();
        let known_link = |address: &str| {
            let node = known.iter().find(|node| node.address() == address);
            node.map(|node| Arc::clone(&node.link))
        };
        addresses
            .map(|address| {
                let link = known_link(address).unwrap_or_else(|| self.link(seeds, address));
                (address.clone(), link)
            })
            .collect()
    }

    fn link(&self, seeds: &Seeds, address: &str) -> Arc<Link> {
        Arc::new(Link::new(seeds.node_at(address), self.timeout))
    }

    /// Asks all known nodes at once. The first answer counts.
    async fn fetch_topology(&self, seeds: &Seeds) -> Result<Topology, Error> {
        let known = self.nodes();
        let mut addresses = seeds.addresses.clone();
        addresses.extend(known.iter().map(|node| node.address().to_owned()));
        let mut queries = JoinSet::new();
        for link in self.links(seeds, addresses.iter()).into_values() {
            queries.spawn(async move {
                let host = link.host().to_owned();
                link.run(false, async |connection| Topology::query(connection, &host).await).await
            });
        }
        Topology::first(queries).await
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
