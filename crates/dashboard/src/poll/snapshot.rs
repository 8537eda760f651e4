use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::SystemTime;

use ratelog_client::command::Ranked;

use super::node_status::NodeStatus;
use super::policy_map::{PolicyMap, seconds};
use super::policy_rates::PolicyRates;
use super::problem::Problem;
use crate::history::Bucket;

/// The results of the last polls.
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
    /// The policies of the first primary whose policies have been read.
    pub rules: PolicyMap,
    /// The keys with the most denied checks, of all primaries, heaviest first.
    pub top_denied: Vec<Ranked>,
    /// The keys with the most checks.
    pub top_checked: Vec<Ranked>,
    /// The problems of the nodes.
    pub problems: Vec<Problem>,
    /// The live part of each page and the point of the charts, rendered once for all open pages.
    pub rendered: Rendered,
}

/// The texts for all open pages.
#[derive(Debug, Default)]
pub struct Rendered {
    /// The live part of the overview.
    pub overview: OnceLock<String>,
    /// That of the lists of keys.
    pub keys: OnceLock<String>,
    /// That of the nodes.
    pub nodes: OnceLock<String>,
    /// The newest point of the charts, as JSON.
    pub point: OnceLock<String>,
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
            rules: PolicyMap::default(),
            top_denied: Vec::new(),
            top_checked: Vec::new(),
            problems: Vec::new(),
            rendered: Rendered::default(),
        }
    }

    /// The limit of each policy in each window, by the policy and the seconds of the window. Of several rules with the
    /// same window, the smallest limit counts.
    #[must_use]
    pub fn limits(&self) -> BTreeMap<(&str, String), u64> {
        let mut limits = BTreeMap::new();
        for (name, policy) in &*self.rules {
            for rule in policy.rules.iter() {
                let limit = limits.entry((&**name, seconds(rule.window()))).or_insert(u64::MAX);
                *limit = rule.limit().units().min(*limit);
            }
        }
        limits
    }

    /// The primaries.
    pub fn primaries(&self) -> impl Iterator<Item = &NodeStatus> {
        self.nodes.iter().filter(|node| node.is_primary())
    }
}
