use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use ratelog_client::Policy;
use ratelog_client::command::{Counts, PolicyStats, Ranked};
use ratelog_client::nodes::Role;

use super::node_info::NodeInfo;
use super::policy_rates::PolicyRates;
use super::problem::Problem;
use crate::history::Bucket;

/// What the last polls found.
#[derive(Debug)]
pub struct Snapshot {
    /// When the last poll ended.
    pub at: SystemTime,
    /// Whether the servers are a cluster.
    pub is_cluster: bool,
    /// The nodes, by address.
    pub nodes: Vec<NodeStatus>,
    /// The error of the search for nodes.
    pub discovery_error: Option<String>,
    /// The checks of all primaries in a second, over the last seconds.
    pub rate: Bucket,
    /// The rates of the policies, those with the most checks first.
    pub policies: Vec<PolicyRates>,
    /// The policies of the first node that has been asked.
    pub rules: BTreeMap<String, Policy>,
    /// The keys with the most denied checks, of all primaries, heaviest first.
    pub top_denied: Vec<Ranked>,
    /// The keys with the most checks.
    pub top_checked: Vec<Ranked>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// The live part of each page, rendered once for all open pages.
    pub rendered: Rendered,
}

/// The live parts of pages.
#[derive(Debug, Default)]
pub struct Rendered {
    /// That of the overview.
    pub overview: OnceLock<String>,
    /// That of the lists of keys.
    pub keys: OnceLock<String>,
    /// That of the nodes.
    pub nodes: OnceLock<String>,
}

/// A node and its last replies.
#[derive(Clone, Debug)]
pub struct NodeStatus {
    /// The address, `host:port`.
    pub address: String,
    /// The role.
    pub role: Role,
    /// Whether the node answers.
    pub state: NodeState,
    /// The last `INFO` that the node sent.
    pub info: Option<NodeInfo>,
    /// The rate of its checks.
    pub rate: Bucket,
    /// The counts of all its checks; `None` before its first reply.
    pub total: Option<Counts>,
    /// The counts of the checks by each policy.
    pub policies: BTreeMap<String, PolicyStats>,
}

/// Whether a node answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// It has not been asked yet.
    Unknown,
    /// It answers.
    Up,
    /// It answers and does not have the module.
    NoModule,
    /// It does not answer, or not as it should; with the error, and the time for which that is so.
    Down {
        /// The error of the last poll.
        error: String,
        /// The time since the last good reply, or since the first poll.
        since: Duration,
    },
}

impl Snapshot {
    /// A snapshot before the first poll.
    #[must_use]
    pub fn empty(is_cluster: bool) -> Self {
        Self {
            at: SystemTime::now(),
            is_cluster,
            nodes: Vec::new(),
            discovery_error: None,
            rate: Bucket::default(),
            policies: Vec::new(),
            rules: BTreeMap::new(),
            top_denied: Vec::new(),
            top_checked: Vec::new(),
            problems: Vec::new(),
            rendered: Rendered::default(),
        }
    }

    /// The checks that each rule of each policy denied on a node: the policy, the rule, the count.
    pub fn denied_by_rule<'a>(
        &'a self,
        node: &'a NodeStatus,
    ) -> impl Iterator<Item = (&'a str, String, u64)> {
        node.policies.iter().flat_map(|(name, stats)| {
            let rules = self.rules.get(name).map(|policy| policy.rules.iter());
            let named = rules.into_iter().flatten().map(|rule| rule.to_string());
            named.zip(&stats.denied_by_rule).map(|(rule, denied)| (&**name, rule, *denied))
        })
    }

    /// The primaries.
    pub fn primaries(&self) -> impl Iterator<Item = &NodeStatus> {
        self.nodes.iter().filter(|node| node.is_primary())
    }
}

impl NodeStatus {
    /// Whether the node is a primary.
    #[must_use]
    pub fn is_primary(&self) -> bool {
        self.role == Role::Primary
    }

    /// The counts of checks by policy; those without a policy have an empty name.
    pub fn counts(&self) -> impl Iterator<Item = (&str, Counts)> {
        let named = self.policies.iter().map(|(name, stats)| (&**name, stats.counts));
        let others = self.total.map(|total| {
            let mut rest = total;
            for stats in self.policies.values() {
                rest.allowed = rest.allowed.saturating_sub(stats.counts.allowed);
                rest.denied = rest.denied.saturating_sub(stats.counts.denied);
                rest.shadow_denied = rest.shadow_denied.saturating_sub(stats.counts.shadow_denied);
                rest.near = rest.near.saturating_sub(stats.counts.near);
            }
            ("", rest)
        });
        others.into_iter().chain(named)
    }

    /// The digest of the node's policies.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        Some(&self.info.as_ref()?.module.as_ref()?.digest)
    }
}
