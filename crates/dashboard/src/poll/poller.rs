use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ratelog_client::command::{self, Counts, PolicyStats, Ranked, Stats};
use ratelog_client::nodes::{Deployment, Node, Role};
use ratelog_client::{Error, Policy};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::node_info::NodeInfo;
use super::node_poll::{self, Extra, Replies, TOP_KEYS};
use super::policy_rates::PolicyRates;
use super::problem::Problem;
use super::snapshot::{NodeState, NodeStatus, Rendered, Snapshot};
use crate::history::{Bucket, Range, Series};
use crate::operations::policy_document;

/// A receiver of snapshots.
pub type Subscription = watch::Receiver<Arc<Snapshot>>;

const INTERVAL: Duration = Duration::from_secs(1);
/// A poll ends before the next one begins.
const POLL_TIMEOUT: Duration = Duration::from_millis(900);
/// The seconds over which the rates of a snapshot are taken.
const RATE_SECONDS: u64 = 5;
/// The policies with a history of their own: those with the most checks.
const MAX_SERIES: usize = 100;
/// The time over which errors and evictions are counted as a problem.
const PROBLEM_WINDOW: Duration = Duration::from_secs(300);

/// Polls the nodes of a deployment and publishes what it finds.
pub struct Poller {
    deployment: Arc<Deployment>,
    state: Mutex<State>,
    snapshots: watch::Sender<Arc<Snapshot>>,
}

#[derive(Default)]
struct State {
    nodes: BTreeMap<String, Record>,
    total: Series,
    policies: BTreeMap<String, Series>,
    /// The policies, and the digest that they were read with.
    rules: BTreeMap<String, Policy>,
    rules_digest: String,
    discovery_error: Option<String>,
}

/// What is known of a node.
struct Record {
    role: Role,
    state: NodeState,
    info: Option<NodeInfo>,
    stats: Option<(Instant, Stats)>,
    series: Series,
    top_denied: Vec<Ranked>,
    top_checked: Vec<Ranked>,
    last_reply: Instant,
    /// Earlier counts of `NOPOLICY` errors and evictions.
    marks: VecDeque<(Instant, u64, u64)>,
}

impl Poller {
    /// A poller that has not polled yet.
    #[must_use]
    pub fn new(deployment: Arc<Deployment>) -> Self {
        let empty = Arc::new(Snapshot::empty(deployment.is_cluster()));
        Self { deployment, state: Mutex::default(), snapshots: watch::channel(empty).0 }
    }

    /// The last snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    /// Receives each snapshot from the next one on.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        self.snapshots.subscribe()
    }

    /// The history of all checks, or of a policy.
    #[must_use]
    pub fn history(&self, policy: Option<&str>, range: Range) -> Vec<(u64, Bucket)> {
        let state = self.state();
        let series = match policy {
            None => Some(&state.total),
            Some(name) => state.policies.get(name),
        };
        series.map(|series| series.buckets(range).collect()).unwrap_or_default()
    }

    /// Polls until the program ends.
    pub async fn run(self: Arc<Self>) {
        let mut interval = tokio::time::interval(INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for tick in 0_u64.. {
            interval.tick().await;
            self.poll(tick).await;
        }
    }

    /// Polls each node once, and publishes a snapshot.
    async fn poll(&self, tick: u64) {
        let has_failed = {
            let state = self.state();
            state.nodes.is_empty()
                || state.nodes.values().any(|node| matches!(node.state, NodeState::Down { .. }))
        };
        let extra = match (has_failed, tick % 3, tick % 2) {
            (_, 0, _) if tick > 0 => Extra::Discovery,
            (true, _, 0) => Extra::Discovery,
            (_, 1, _) => Extra::Info,
            _ => Extra::TopChecked,
        };
        if extra == Extra::Discovery {
            let found = tokio::time::timeout(POLL_TIMEOUT, self.deployment.discover()).await;
            let found = found.unwrap_or(Err(Error::Timeout(POLL_TIMEOUT)));
            self.state().discovery_error = found.err().map(|error| error.to_string());
        }
        let nodes = self.deployment.nodes();
        self.state().follow(&nodes);
        let mut polls = JoinSet::new();
        for node in nodes.iter().cloned() {
            polls.spawn(async move {
                let address = node.address().to_owned();
                (address, node_poll::poll(node, extra, POLL_TIMEOUT).await)
            });
        }
        while let Some(reply) = polls.join_next().await {
            if let Ok((address, replies)) = reply {
                self.state().record(&address, replies);
            }
        }
        self.fetch_rules(&nodes).await;
        let snapshot = self.state().snapshot(self.deployment.is_cluster());
        self.snapshots.send_replace(Arc::new(snapshot));
    }

    /// Reads the policies again if their digest has changed.
    async fn fetch_rules(&self, nodes: &[Node]) {
        let node = {
            let state = self.state();
            let is_source = |node: &&Node| {
                let record = state.nodes.get(node.address());
                node.is_primary() && record.is_some_and(|record| record.state == NodeState::Up)
            };
            let Some(node) = nodes.iter().find(is_source) else { return };
            let digest = state.nodes.get(node.address()).and_then(Record::digest);
            match digest {
                Some(digest) if digest != state.rules_digest => (node.clone(), digest.to_owned()),
                _ => return,
            }
        };
        let (node, digest) = node;
        let exported = node.query(&command::export_policies()).await;
        if let Some(rules) = exported.ok().and_then(|json| policy_document::parse(&json).ok()) {
            let mut state = self.state();
            state.rules =
                rules.into_iter().map(|(name, policy)| (name.to_string(), policy)).collect();
            state.rules_digest = digest;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Keeps the records of nodes that there still are.
    fn follow(&mut self, nodes: &[Node]) {
        self.nodes.retain(|address, _| nodes.iter().any(|node| node.address() == address));
        for node in nodes {
            let record = self.nodes.entry(node.address().to_owned()).or_insert_with(|| Record {
                role: node.role().clone(),
                state: NodeState::Unknown,
                info: None,
                stats: None,
                series: Series::default(),
                top_denied: Vec::new(),
                top_checked: Vec::new(),
                last_reply: Instant::now(),
                marks: VecDeque::new(),
            });
            record.role = node.role().clone();
        }
    }

    fn record(&mut self, address: &str, replies: Replies) {
        let Self { nodes, total, policies, .. } = self;
        let Some(record) = nodes.get_mut(address) else { return };
        let now = Instant::now();
        if let Some(info) = replies.info {
            record.marks.push_back((now, info.nopolicy_errors, info.evicted_keys));
            while record.marks.front().is_some_and(|(at, ..)| now - *at > PROBLEM_WINDOW) {
                record.marks.pop_front();
            }
            record.info = Some(info);
        }
        record.top_denied =
            replies.top_denied.unwrap_or_else(|| std::mem::take(&mut record.top_denied));
        record.top_checked =
            replies.top_checked.unwrap_or_else(|| std::mem::take(&mut record.top_checked));
        match replies.stats {
            Ok(stats) => {
                record.state = NodeState::Up;
                record.last_reply = now;
                if record.role == Role::Primary
                    && let Some((then, before)) = &record.stats
                {
                    let span = u32::try_from((now - *then).as_secs_f32().round() as u64)
                        .unwrap_or(u32::MAX);
                    count([total, &mut record.series], policies, span, before, &stats);
                }
                record.stats = Some((now, stats));
            }
            Err(error) if is_unknown_command(&error) => {
                record.state = NodeState::NoModule;
                record.last_reply = now;
            }
            Err(error) => {
                record.state =
                    NodeState::Down { error: error.to_string(), since: now - record.last_reply };
            }
        }
    }

    fn snapshot(&self, is_cluster: bool) -> Snapshot {
        let now = unix_seconds();
        let nodes: Vec<_> = self
            .nodes
            .iter()
            .map(|(address, record)| NodeStatus {
                address: address.clone(),
                role: record.role.clone(),
                state: record.state.clone(),
                info: record.info.clone(),
                rate: record.series.rate(now, RATE_SECONDS),
                total: record.stats.as_ref().map(|(_, stats)| stats.total),
                policies: record
                    .stats
                    .as_ref()
                    .map(|(_, stats)| stats.policies.clone())
                    .unwrap_or_default(),
            })
            .collect();
        let mut problems = Problem::of_nodes(&nodes);
        problems.extend(self.nodes.iter().flat_map(|(address, record)| record.problems(address)));
        let primaries = || self.nodes.values().filter(|record| record.role == Role::Primary);
        Snapshot {
            at: SystemTime::now(),
            is_cluster,
            discovery_error: self.discovery_error.clone(),
            rate: self.total.rate(now, RATE_SECONDS),
            policies: self.policy_rates(now),
            rules: self.rules.clone(),
            top_denied: merge(primaries().map(|record| &record.top_denied)),
            top_checked: merge(primaries().map(|record| &record.top_checked)),
            nodes,
            problems,
            rendered: Rendered::default(),
        }
    }

    fn policy_rates(&self, now: u64) -> Vec<PolicyRates> {
        let mut sums: BTreeMap<&str, PolicyStats> = BTreeMap::new();
        for record in self.nodes.values().filter(|record| record.role == Role::Primary) {
            for (name, stats) in record.stats.iter().flat_map(|(_, stats)| &stats.policies) {
                *sums.entry(name).or_default() += stats.clone();
            }
        }
        let mut rates: Vec<_> = sums
            .into_iter()
            .map(|(name, stats)| PolicyRates {
                name: name.to_owned(),
                rate: self
                    .policies
                    .get(name)
                    .map(|series| series.rate(now, RATE_SECONDS))
                    .unwrap_or_default(),
                denied_by_rule: stats.denied_by_rule,
                checks: stats.counts.checks,
            })
            .collect();
        rates.sort_by(|a, b| {
            b.rate.checks().total_cmp(&a.rate.checks()).then(b.checks.cmp(&a.checks))
        });
        rates
    }
}

impl Record {
    fn digest(&self) -> Option<&str> {
        Some(&self.info.as_ref()?.module.as_ref()?.digest)
    }

    /// The problems that the node's earlier counts show.
    fn problems(&self, address: &str) -> Vec<Problem> {
        let (Some(first), Some(last)) = (self.marks.front(), self.marks.back()) else {
            return Vec::new();
        };
        let node = address.to_owned();
        let errors = last.1.saturating_sub(first.1);
        let keys = last.2.saturating_sub(first.2);
        let errors = (errors > 0).then(|| Problem::UnknownPolicies { node: node.clone(), errors });
        let evictions = (keys > 0).then_some(Problem::Evictions { node, keys });
        errors.into_iter().chain(evictions).collect()
    }
}

/// Adds what a node has counted since its last reply.
fn count(
    all: [&mut Series; 2],
    policies: &mut BTreeMap<String, Series>,
    span: u32,
    before: &Stats,
    after: &Stats,
) {
    let now = unix_seconds();
    let counts = difference(before.total, after.total);
    for series in all {
        series.add(now, span, counts);
    }
    for (name, stats) in &after.policies {
        let earlier = before.policies.get(name).map(|stats| stats.counts).unwrap_or_default();
        let counts = difference(earlier, stats.counts);
        if let Some(series) = policies.get_mut(name) {
            series.add(now, span, counts);
        } else if counts.checks > 0 && policies.len() < MAX_SERIES {
            policies.entry(name.clone()).or_default().add(now, span, counts);
        }
    }
}

/// The counts since an earlier reply. Counts that are smaller than before were reset, or the node has restarted.
fn difference(before: Counts, after: Counts) -> Counts {
    if after.checks < before.checks {
        return after;
    }
    let mut counts = Counts::default();
    counts.checks = after.checks - before.checks;
    counts.allowed = after.allowed.saturating_sub(before.allowed);
    counts.denied = after.denied.saturating_sub(before.denied);
    counts.shadow_denied = after.shadow_denied.saturating_sub(before.shadow_denied);
    counts.overridden = after.overridden.saturating_sub(before.overridden);
    counts.near = after.near.saturating_sub(before.near);
    counts
}

fn merge<'a>(lists: impl Iterator<Item = &'a Vec<Ranked>>) -> Vec<Ranked> {
    let mut all: Vec<_> = lists.flatten().cloned().collect();
    all.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.key.cmp(&b.key)));
    all.truncate(TOP_KEYS as usize);
    all
}

fn is_unknown_command(error: &Error) -> bool {
    let Error::Redis(error) = error else { return false };
    error.detail().is_some_and(|detail| detail.starts_with("unknown command"))
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

#[cfg(test)]
mod tests {
    use ratelog_client::command::Counts;

    use super::difference;

    #[test]
    fn counts_that_shrink_were_reset() {
        let counts = |checks, allowed| {
            let mut counts = Counts::default();
            (counts.checks, counts.allowed) = (checks, allowed);
            counts
        };
        assert_eq!(difference(counts(10, 8), counts(15, 12)), counts(5, 4));
        assert_eq!(difference(counts(10, 8), counts(3, 2)), counts(3, 2));
    }
}
