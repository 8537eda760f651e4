use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ratelog_client::Error;
use ratelog_client::nodes::{Deployment, Node};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::node_poll::{self, Extra};
use super::observations::Observations;
use super::snapshot::Snapshot;
use crate::history::{Bucket, Range};

/// A receiver of snapshots.
pub type Subscription = watch::Receiver<Arc<Snapshot>>;

/// A poll ends before the next one begins.
const MAX_POLL_TIME: Duration = Duration::from_millis(900);

/// The command that a poll sends besides `RL.STATS` and `RL.TOP DENIED`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Discovery,
    Info,
    TopChecked,
    Overrides,
}

/// Polls the nodes of a deployment and publishes snapshots of them.
pub struct Poller {
    deployment: Arc<Deployment>,
    interval: Duration,
    observations: Mutex<Observations>,
    snapshots: watch::Sender<Arc<Snapshot>>,
}

impl Poller {
    /// A poller that polls once in each interval, and has not polled yet.
    #[must_use]
    pub fn new(deployment: Arc<Deployment>, interval: Duration) -> Self {
        let empty = Arc::new(Snapshot::empty(deployment.is_cluster()));
        Self {
            deployment,
            interval,
            observations: Mutex::default(),
            snapshots: watch::channel(empty).0,
        }
    }

    /// The last snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    /// Receives the last snapshot and all that follow.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        self.snapshots.subscribe()
    }

    /// The history of all checks, or of a policy.
    #[must_use]
    pub fn history(&self, policy: Option<&str>, range: Range) -> Vec<(u64, Bucket)> {
        self.observations().history(policy, range)
    }

    /// Polls until the program ends.
    pub async fn run(self: Arc<Self>) {
        self.discover().await;
        let mut interval = tokio::time::interval(self.interval);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for tick in 0.. {
            interval.tick().await;
            let turn = turn(tick, self.observations().has_lost_nodes());
            self.poll(turn).await;
        }
    }

    /// Polls each node once, and publishes a snapshot.
    async fn poll(&self, turn: Turn) {
        let nodes = self.deployment.nodes();
        self.observations().follow(&nodes);
        let mut polls = JoinSet::new();
        for node in nodes.iter() {
            let extra = self.extra(turn, node);
            let node = node.clone();
            polls.spawn(async move {
                let address = node.address().to_owned();
                (address, node_poll::poll(node, extra, MAX_POLL_TIME).await)
            });
        }
        let collect = async {
            while let Some(reply) = polls.join_next().await {
                if let Ok((address, replies)) = reply {
                    self.observations().record(&address, replies);
                }
            }
        };
        let discover = async {
            if turn == Turn::Discovery {
                self.discover().await;
            }
        };
        tokio::join!(collect, discover);
        self.fetch_rules(&nodes).await;
        let snapshot = self.observations().snapshot(self.deployment.is_cluster());
        self.snapshots.send_replace(Arc::new(snapshot));
    }

    fn extra(&self, turn: Turn, node: &Node) -> Extra {
        match turn {
            Turn::Discovery => Extra::None,
            Turn::Info => Extra::Info,
            Turn::TopChecked => Extra::TopChecked,
            Turn::Overrides => {
                let next = self.observations().next_overrides(node.address());
                next.filter(|_| node.is_primary()).map_or(Extra::None, Extra::Overrides)
            }
        }
    }

    async fn discover(&self) {
        let found = tokio::time::timeout(MAX_POLL_TIME, self.deployment.discover()).await;
        let found = found.unwrap_or(Err(Error::Timeout(MAX_POLL_TIME)));
        self.observations().discovery_error = found.err().map(|error| error.to_string());
    }

    /// Reads the policies of each digest that is new, from one of the nodes that have it.
    async fn fetch_rules(&self, nodes: &[Node]) {
        let new = self.observations().new_digests(nodes);
        let mut reads = JoinSet::new();
        for (digest, node) in new {
            let node = node.clone();
            reads.spawn(async move {
                let rules = node_poll::fetch_policies(&node, &digest).await?;
                Some((digest, rules))
            });
        }
        while let Some(read) = reads.join_next().await {
            if let Ok(Some((digest, rules))) = read {
                self.observations().set_rules(digest, rules);
            }
        }
    }

    fn observations(&self) -> MutexGuard<'_, Observations> {
        self.observations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Each poll sends at most three commands to a node, so the third one takes turns. Lost nodes are looked for more often.
const fn turn(tick: u64, has_lost_nodes: bool) -> Turn {
    match tick % 4 {
        0 => Turn::Info,
        1 => Turn::TopChecked,
        2 => Turn::Discovery,
        _ if has_lost_nodes => Turn::Discovery,
        _ => Turn::Overrides,
    }
}
