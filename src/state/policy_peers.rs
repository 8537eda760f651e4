use std::collections::BTreeMap;

use ratelog_core::Instant;

use super::policy_version::NodeId;
use super::policy_versions::{BUCKETS, PolicyVersions};

/// The time for which a summary is kept, in milliseconds.
const MAX_AGE: i64 = 60_000;

/// A node's summary of its policies, for the other nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySummary {
    /// The greatest counter of a version.
    pub counter: u64,
    /// The digest of each bucket.
    pub digests: [u64; BUCKETS],
}

/// The last summaries that the cluster's primaries sent.
#[derive(Debug, Default)]
pub struct PolicyPeers(BTreeMap<NodeId, (PolicySummary, Instant)>);

impl PolicySummary {
    /// Summarizes the policies of this node.
    pub fn of(versions: &PolicyVersions) -> Self {
        Self { counter: versions.counter(), digests: *versions.digests() }
    }

    /// Returns the digest of all buckets as 16 hexadecimal digits.
    pub fn digest(&self) -> String {
        let digest = self.digests.iter().fold(0, |sum: u64, digest| sum.rotate_left(1) ^ digest);
        format!("{digest:016x}")
    }

    /// Encodes the summary as big-endian numbers.
    pub fn to_bytes(&self) -> Vec<u8> {
        let numbers = std::iter::once(&self.counter).chain(&self.digests);
        numbers.flat_map(|number| number.to_be_bytes()).collect()
    }

    /// Decodes a summary. Returns `None` if the length is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (numbers, []) = bytes.as_chunks::<8>() else { return None };
        let (counter, digests) = numbers.split_first()?;
        let digests: &[[u8; 8]; BUCKETS] = digests.try_into().ok()?;
        Some(Self {
            counter: u64::from_be_bytes(*counter),
            digests: digests.map(u64::from_be_bytes),
        })
    }
}

impl PolicyPeers {
    /// Stores the summary that `node` sent at `now`.
    pub fn insert(&mut self, node: NodeId, summary: PolicySummary, now: Instant) {
        self.0.insert(node, (summary, now));
    }

    /// Removes the summaries of nodes that have sent none for a minute at `now`.
    pub fn remove_old(&mut self, now: Instant) {
        self.0.retain(|_, (_, at)| age(*at, now) <= MAX_AGE);
    }

    /// Returns the summaries with their ages in milliseconds at `now`, ordered by the nodes' IDs.
    pub fn summaries(&mut self, now: Instant) -> Vec<(NodeId, PolicySummary, i64)> {
        self.remove_old(now);
        self.0.iter().map(|(node, (summary, at))| (*node, summary.clone(), age(*at, now))).collect()
    }
}

fn age(at: Instant, now: Instant) -> i64 {
    (now.unix_millis() - at.unix_millis()).max(0)
}

#[cfg(test)]
mod tests {
    use ratelog_core::Instant;

    use super::{BUCKETS, MAX_AGE, NodeId, PolicyPeers, PolicySummary};

    fn summary(counter: u64) -> PolicySummary {
        let mut digests = [0; BUCKETS];
        digests[5] = u64::MAX - counter;
        PolicySummary { counter, digests }
    }

    #[test]
    fn summaries_round_trip() {
        let bytes = summary(7).to_bytes();
        assert_eq!(PolicySummary::from_bytes(&bytes), Some(summary(7)));
        assert_eq!(PolicySummary::from_bytes(&bytes[1..]), None);
        assert_eq!(PolicySummary::from_bytes(&bytes[8..]), None);
        assert_eq!(PolicySummary::from_bytes(b""), None);
        assert_ne!(summary(7).digest(), summary(8).digest());
    }

    #[test]
    fn a_node_is_forgotten_after_a_while() {
        let at = |millis| Instant::from_unix_millis(millis).unwrap();
        let node = |digit: &str| NodeId::parse(digit.repeat(40).as_bytes()).unwrap();
        let mut peers = PolicyPeers::default();
        peers.insert(node("b"), summary(1), at(1_000));
        peers.insert(node("a"), summary(2), at(2_000));
        peers.insert(node("b"), summary(3), at(3_000));
        let found = peers.summaries(at(3_500));
        assert_eq!(found, [(node("a"), summary(2), 1_500), (node("b"), summary(3), 500)]);
        peers.remove_old(at(3_000 + MAX_AGE));
        assert_eq!(peers.0.len(), 1);
        assert_eq!(peers.summaries(at(3_000 + MAX_AGE)).len(), 1);
        assert_eq!(peers.summaries(at(3_001 + MAX_AGE)), []);
    }
}
