use std::collections::BTreeMap;
use std::time::Duration;

use ratelog_client::command::{Counts, PolicyStats};
use ratelog_client::nodes::Role;

use super::node_info::NodeInfo;
use super::policy_map::{PolicyMap, seconds};
use crate::history::Bucket;

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
    /// The counts of its checks without a policy since the dashboard found the node; `None` before its first reply.
    ///
    /// They are added up from poll to poll. The total less the counts of the policies would include all checks of each
    /// policy that was deleted, so it would jump when a policy is.
    pub without_policy: Option<Counts>,
    /// The counts of the checks by each policy.
    pub policies: BTreeMap<String, PolicyStats>,
    /// The policies; empty until they have been read.
    pub rules: PolicyMap,
    /// The overrides that have no end; `None` until they have been counted, and for a replica, whose are not.
    pub overrides_without_end: Option<u64>,
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

/// A node that misses a few polls is slow.
const LOST_AFTER: Duration = Duration::from_secs(60);

impl NodeState {
    /// Returns whether the node has not answered for a minute.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Down { since, .. } if *since >= LOST_AFTER)
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
        let others = self.without_policy.map(|counts| ("", counts));
        others.into_iter().chain(named)
    }

    /// The checks that each rule of each policy denied, by the policy and the rule such as `100/60s`. A policy may have
    /// equal rules.
    #[must_use]
    pub fn denied_by_rule(&self) -> BTreeMap<(&str, String), u64> {
        let mut sums = BTreeMap::new();
        for (name, stats) in &self.policies {
            let Some(policy) = self.rules.get(name) else { continue };
            for (rule, denied) in policy.rules.iter().zip(&stats.denied_by_rule) {
                let rule = format!("{}/{}s", rule.limit().units(), seconds(rule.window()));
                *sums.entry((&**name, rule)).or_default() += denied;
            }
        }
        sums
    }

    /// The digest of the node's policies.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        Some(&self.info.as_ref()?.module.as_ref()?.digest)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::NodeState;

    #[test]
    fn a_node_that_misses_some_polls_is_not_lost() {
        let down = |seconds| NodeState::Down {
            error: "timed out".to_owned(),
            since: Duration::from_secs(seconds),
        };
        assert!(!down(59).is_lost() && down(60).is_lost());
        assert!(
            [NodeState::Unknown, NodeState::Up, NodeState::NoModule]
                .iter()
                .all(|state| !state.is_lost())
        );
    }
}
