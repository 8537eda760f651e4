use std::collections::BTreeMap;
use std::time::{Instant, SystemTime};

use ratelog_client::command::{OverrideCursor, PolicyStats, Ranked};
use ratelog_client::nodes::{Node, Role};

use super::RATE_SECONDS;
use super::node_poll::{Replies, TOP_KEYS};
use super::node_record::NodeRecord;
use super::node_status::NodeState;
use super::policy_map::PolicyMap;
use super::policy_rates::{PolicyRates, RuleDenials, add_denials};
use super::problem::Problem;
use super::progress::Progress;
use super::snapshot::{Rendered, Snapshot};
use crate::clock::now_seconds;
use crate::history::{Bucket, Range, Series};

/// The policies with a history of their own: those that were used first. Of the others, only the rate is known.
const MAX_SERIES: usize = 100;
/// The seconds that are kept of the others, some more than those of the rate.
const OTHER_SECONDS: usize = 8;

/// The results of all polls so far.
#[derive(Default)]
pub struct Observations {
    nodes: BTreeMap<String, NodeRecord>,
    total: Series,
    policies: BTreeMap<String, Series>,
    /// The counts of the policies without a history.
    other_policies: BTreeMap<String, Series>,
    /// The policies of each digest that a node has.
    rules: BTreeMap<String, PolicyMap>,
    /// The policies that were read last.
    last_rules: PolicyMap,
    pub discovery_error: Option<String>,
}

impl Observations {
    /// Keeps the records of nodes that there still are, and the histories of their policies.
    pub fn follow(&mut self, nodes: &[Node]) {
        self.nodes.retain(|address, _| nodes.iter().any(|node| node.address() == address));
        for node in nodes {
            let address = node.address().to_owned();
            let new = || NodeRecord::new(node.role().clone());
            self.nodes.entry(address).or_insert_with(new).role = node.role().clone();
        }
        let Self { nodes, policies, other_policies, rules, .. } = self;
        rules.retain(|digest, _| nodes.values().any(|record| record.digest() == Some(digest)));
        let is_known = |name: &String| {
            let mut stats = nodes.values().filter_map(NodeRecord::stats);
            stats.any(|stats| stats.policies.contains_key(name))
        };
        policies.retain(|name, _| is_known(name));
        other_policies.retain(|name, _| is_known(name));
    }

    /// Whether a node does not answer, or none is known.
    pub fn has_lost_nodes(&self) -> bool {
        let is_down = |node: &NodeRecord| matches!(node.state, NodeState::Down { .. });
        self.nodes.is_empty() || self.nodes.values().any(is_down)
    }

    pub fn record(&mut self, address: &str, replies: Replies) {
        let Self { nodes, total, policies, other_policies, .. } = self;
        let Some(record) = nodes.get_mut(address) else { return };
        if let Some(progress) = record.record(replies) {
            count([total, &mut record.series], [policies, other_policies], &progress);
        }
    }

    /// The place of the next page of a node's overrides to count, if it is time to.
    pub fn next_overrides(&self, address: &str) -> Option<OverrideCursor> {
        self.nodes.get(address)?.next_overrides()
    }

    /// The digests whose policies have not been read, each with a node that has it: a primary, if one does.
    pub fn new_digests<'a>(&self, nodes: &'a [Node]) -> BTreeMap<String, &'a Node> {
        let mut digests = BTreeMap::new();
        let replicas = nodes.iter().filter(|node| !node.is_primary());
        for node in nodes.iter().filter(|node| node.is_primary()).chain(replicas) {
            let record = self.nodes.get(node.address());
            let record = record.filter(|record| record.state == NodeState::Up);
            if let Some(digest) = record.and_then(NodeRecord::digest)
                && !self.rules.contains_key(digest)
            {
                digests.entry(digest.to_owned()).or_insert(node);
            }
        }
        digests
    }

    pub fn set_rules(&mut self, digest: String, rules: PolicyMap) {
        self.last_rules = PolicyMap::clone(&rules);
        self.rules.insert(digest, rules);
    }

    /// The policies of a node; `None` if they have not been read.
    fn rules_of(&self, record: &NodeRecord) -> Option<&PolicyMap> {
        self.rules.get(record.digest()?)
    }

    pub fn history(&self, policy: Option<&str>, range: Range) -> Vec<(u64, Bucket)> {
        let series = match policy {
            None => Some(&self.total),
            Some(name) => self.policies.get(name),
        };
        series.map(|series| series.buckets(range).collect()).unwrap_or_default()
    }

    pub fn snapshot(&self, is_cluster: bool) -> Snapshot {
        let now = now_seconds();
        let status = |(address, record): (&String, &NodeRecord)| {
            record.status(address, self.rules_of(record).cloned().unwrap_or_default())
        };
        let nodes: Vec<_> = self.nodes.iter().map(status).collect();
        let rules = self.primaries().find_map(|record| self.rules_of(record));
        let mut problems = Problem::of_nodes(&nodes);
        let of_counts = self.nodes.iter();
        problems.extend(
            of_counts.flat_map(|(address, record)| record.problems(address, Instant::now())),
        );
        Snapshot {
            at: SystemTime::now(),
            is_cluster,
            discovery_error: self.discovery_error.clone(),
            rate: self.total.rate(now, RATE_SECONDS),
            policies: self.policy_rates(now),
            rules: PolicyMap::clone(rules.unwrap_or(&self.last_rules)),
            top_denied: merge(self.primaries().map(|record| &record.top_denied)),
            top_checked: merge(self.primaries().map(|record| &record.top_checked)),
            nodes,
            problems,
            rendered: Rendered::default(),
        }
    }

    fn primaries(&self) -> impl Iterator<Item = &NodeRecord> {
        self.nodes.values().filter(|record| record.role == Role::Primary)
    }

    fn policy_rates(&self, now: u64) -> Vec<PolicyRates> {
        let mut sums: BTreeMap<&str, (PolicyStats, Vec<RuleDenials>)> = BTreeMap::new();
        for record in self.primaries() {
            let rules = self.rules_of(record);
            for (name, stats) in record.stats().into_iter().flat_map(|stats| &stats.policies) {
                let (sum, denials) = sums.entry(name).or_default();
                *sum += stats.clone();
                let policy = rules.and_then(|rules| rules.get(name));
                add_denials(denials, policy, &stats.denied_by_rule);
            }
        }
        let series = |name: &str| self.policies.get(name).or_else(|| self.other_policies.get(name));
        let rate = |name: &str| series(name).map(|series| series.rate(now, RATE_SECONDS));
        let mut rates: Vec<_> = sums
            .into_iter()
            .map(|(name, (stats, rules))| PolicyRates {
                name: name.to_owned(),
                rate: rate(name).unwrap_or_default(),
                denied_by_rule: stats.denied_by_rule,
                rules,
                checks: stats.counts.checks,
            })
            .collect();
        rates.sort_by(|a, b| {
            b.rate.checks().total_cmp(&a.rate.checks()).then(b.checks.cmp(&a.checks))
        });
        rates
    }
}

/// Adds the checks since a node's reply before.
fn count(
    all: [&mut Series; 2],
    [policies, others]: [&mut BTreeMap<String, Series>; 2],
    progress: &Progress,
) {
    let (now, seconds) = (progress.second, progress.seconds);
    let counts = progress.total();
    for series in all {
        series.add(now, seconds, counts);
    }
    for (name, counts) in progress.policies() {
        if let Some(series) = policies.get_mut(name) {
            series.add(now, seconds, counts);
        } else if let Some(series) = others.get_mut(name) {
            series.add(now, seconds, counts);
        } else if counts.checks > 0 && policies.len() < MAX_SERIES {
            policies.entry(name.to_owned()).or_default().add(now, seconds, counts);
        } else if counts.checks > 0 {
            let series = others.entry(name.to_owned());
            series.or_insert_with(|| Series::of_seconds(OTHER_SECONDS)).add(now, seconds, counts);
        }
    }
}

fn merge<'a>(lists: impl Iterator<Item = &'a Vec<Ranked>>) -> Vec<Ranked> {
    let mut all: Vec<_> = lists.flatten().cloned().collect();
    all.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.key.cmp(&b.key)));
    all.truncate(TOP_KEYS as usize);
    all
}
