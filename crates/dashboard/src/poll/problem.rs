use std::collections::BTreeMap;
use std::fmt;

use super::node_status::{NodeState, NodeStatus};

/// Something that an operator should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A node does not answer.
    NodeDown {
        /// The node's address.
        node: String,
        /// The error of the last poll.
        error: String,
    },
    /// A node does not have the module.
    NoModule {
        /// The node's address.
        node: String,
    },
    /// Nodes have different policies.
    DifferentPolicies {
        /// The nodes with each digest; the most frequent digest first.
        nodes: Vec<(String, Vec<String>)>,
    },
    /// Callers name policies that a node does not have.
    UnknownPolicies {
        /// The node's address.
        node: String,
        /// The number of `NOPOLICY` errors in the last minutes.
        errors: u64,
    },
    /// A node evicts keys, which then start with an empty log.
    Evictions {
        /// The node's address.
        node: String,
        /// The keys that were evicted in the last minutes.
        keys: u64,
    },
    /// Overrides have no end, so they stay until somebody removes them.
    PermanentOverrides {
        /// The node's address.
        node: String,
        /// The number of these overrides.
        count: u64,
    },
    /// A replica is not connected to its primary.
    BrokenReplication {
        /// The replica's address.
        node: String,
    },
}

impl Problem {
    /// The problems that the states of the nodes show.
    #[must_use]
    pub fn of_nodes(nodes: &[NodeStatus]) -> Vec<Self> {
        let mut problems: Vec<_> = nodes.iter().flat_map(Self::of_node).collect();
        let mut digests: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for node in nodes.iter().filter(|node| node.state == NodeState::Up) {
            if let Some(digest) = node.digest() {
                digests.entry(digest).or_default().push(node.address.clone());
            }
        }
        if digests.len() > 1 {
            let mut nodes: Vec<_> =
                digests.into_iter().map(|(digest, nodes)| (digest.to_owned(), nodes)).collect();
            nodes.sort_by_key(|(_, nodes)| std::cmp::Reverse(nodes.len()));
            problems.push(Self::DifferentPolicies { nodes });
        }
        problems
    }

    fn of_node(status: &NodeStatus) -> Vec<Self> {
        let node = status.address.clone();
        match &status.state {
            NodeState::Down { error, .. } => vec![Self::NodeDown { node, error: error.clone() }],
            NodeState::NoModule => vec![Self::NoModule { node }],
            NodeState::Unknown => Vec::new(),
            NodeState::Up => {
                let permanent = status.overrides_without_end.filter(|count| *count > 0);
                if let Some(count) = permanent {
                    return vec![Self::PermanentOverrides { node, count }];
                }
                let replication = status.info.as_ref().and_then(|info| info.replication);
                let is_broken = replication.is_some_and(|link| !link.is_connected);
                is_broken.then_some(Self::BrokenReplication { node }).into_iter().collect()
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NodeDown { node, error } => write!(f, "{node} does not answer: {error}"),
            Self::NoModule { node } => write!(
                f,
                "{node} does not have the Ratelog module: load libratelog.so in its configuration"
            ),
            Self::DifferentPolicies { nodes } => {
                f.write_str("nodes have different policies: ")?;
                let groups = nodes.iter().map(|(digest, nodes)| {
                    let digest = digest.get(..8).unwrap_or(digest);
                    format!("{digest} on {}", nodes.join(", "))
                });
                f.write_str(&groups.collect::<Vec<_>>().join("; "))
            }
            Self::UnknownPolicies { node, errors } => write!(
                f,
                "{node} has replied NOPOLICY {errors} times in the last minutes: callers name a policy that it does not have"
            ),
            Self::Evictions { node, keys } => write!(
                f,
                "{node} has evicted {keys} keys in the last minutes: their limits start anew; raise maxmemory"
            ),
            Self::PermanentOverrides { node, count } => {
                write!(f, "{node} has overrides without an end: {count}")
            }
            Self::BrokenReplication { node } => {
                write!(f, "the replica {node} is not connected to its primary")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use ratelog_client::nodes::Role;

    use super::Problem;
    use crate::history::Bucket;
    use crate::poll::node_info::{ModuleInfo, NodeInfo, Replication};
    use crate::poll::policy_map::PolicyMap;
    use crate::poll::{NodeState, NodeStatus};

    fn node(address: &str, digest: &str) -> NodeStatus {
        let module = ModuleInfo { digest: digest.to_owned(), ..ModuleInfo::default() };
        NodeStatus {
            address: address.to_owned(),
            role: Role::Primary,
            state: NodeState::Up,
            info: Some(NodeInfo { module: Some(module), ..NodeInfo::default() }),
            rate: Bucket::default(),
            total: None,
            without_policy: None,
            policies: BTreeMap::new(),
            rules: PolicyMap::default(),
            overrides_without_end: None,
        }
    }

    #[test]
    fn equal_nodes_have_no_problem() {
        assert_eq!(Problem::of_nodes(&[node("a", "1"), node("b", "1")]), []);
    }

    #[test]
    fn different_digests_name_the_nodes() {
        let problems = Problem::of_nodes(&[node("a", "1"), node("b", "2"), node("c", "2")]);
        let texts: Vec<_> = problems.iter().map(Problem::to_string).collect();
        assert_eq!(texts, ["nodes have different policies: 2 on b, c; 1 on a"]);
    }

    #[test]
    fn overrides_without_an_end_and_a_lost_link_are_problems() {
        let mut primary = node("a", "1");
        primary.overrides_without_end = Some(3);
        let permanent = Problem::PermanentOverrides { node: "a".to_owned(), count: 3 };
        assert_eq!(Problem::of_nodes(&[primary]), [permanent]);
        let mut replica = node("b", "1");
        replica.role = Role::Replica { of: "a".to_owned() };
        let link = Replication { is_connected: false, lag_seconds: None };
        let info = NodeInfo { replication: Some(link), ..NodeInfo::default() };
        replica.info = Some(info);
        let broken = Problem::BrokenReplication { node: "b".to_owned() };
        assert_eq!(Problem::of_nodes(&[replica]), [broken]);
    }

    #[test]
    fn a_node_that_is_down_has_no_digest() {
        let mut lost = node("b", "2");
        let error = "timeout".to_owned();
        lost.state = NodeState::Down { error: error.clone(), since: Duration::ZERO };
        let expected = Problem::NodeDown { node: "b".to_owned(), error };
        assert_eq!(Problem::of_nodes(&[node("a", "1"), lost]), [expected]);
    }
}
