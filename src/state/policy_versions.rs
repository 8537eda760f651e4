use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use ratelog_core::PolicyName;
use sha2::{Digest, Sha256};

use super::policy_version::{NodeId, PolicyVersion};

/// The number of buckets that nodes compare. A difference costs the transfer of one bucket.
pub const BUCKETS: usize = 64;

/// The maximum number of deletions that are remembered. If there are more, the oldest are forgotten, and a node that was
/// away since then may bring back what they deleted.
const MAX_DELETIONS: usize = 100_000;

/// The versions of policies and deletions. Outside a cluster there are none.
#[derive(Debug)]
pub struct PolicyVersions {
    versions: BTreeMap<PolicyName, Versioned>,
    /// The deletions, oldest first.
    deletions: BTreeSet<(PolicyVersion, PolicyName)>,
    /// The greatest counter that this node has seen.
    counter: u64,
    /// For each bucket, the sum of the digests of its versions.
    digests: [u64; BUCKETS],
}

#[derive(Clone, Copy, Debug)]
struct Versioned {
    version: PolicyVersion,
    /// The digest of the policy, or `None` for a deletion. It decides between different policies of the same version,
    /// which a node may make that has lost its newest data.
    content: Option<u64>,
    bucket: usize,
}

impl Default for PolicyVersions {
    fn default() -> Self {
        Self {
            versions: BTreeMap::new(),
            deletions: BTreeSet::new(),
            counter: 0,
            digests: [0; BUCKETS],
        }
    }
}

impl PolicyVersions {
    /// Returns the version of the policy or deletion.
    pub fn get(&self, name: &PolicyName) -> Option<PolicyVersion> {
        self.versions.get(name).map(|versioned| versioned.version)
    }

    /// Returns the version of the next change that `node` makes, at `now`.
    ///
    /// The counter is the time in microseconds, or more if the node has seen a greater one. So the change of a node that
    /// restarts from old data is greater than those that it made before, and a change that a client sends to a node after
    /// one to another node is greater although the node may not have heard of that one. A counter is never greater than
    /// nodes accept.
    pub fn next(&self, node: NodeId, now: SystemTime) -> PolicyVersion {
        let counter = self.counter.saturating_add(1).max(PolicyVersion::counter_at(now));
        PolicyVersion { counter: counter.min(PolicyVersion::MAX_COUNTER), node }
    }

    /// Returns the greatest counter that this node has seen.
    pub fn counter(&self) -> u64 {
        self.counter
    }

    /// Sets the version of a policy with the digest `content`, or of a deletion, unless the known one is at least as
    /// great. Returns whether it was set.
    pub fn set(&mut self, name: &PolicyName, version: PolicyVersion, content: Option<u64>) -> bool {
        self.counter = self.counter.max(version.counter);
        let known = self.versions.get(name).map(|known| (known.version, known.content));
        if known.is_some_and(|known| known >= (version, content)) {
            return false;
        }
        self.forget(name);
        let versioned = Versioned { version, content, bucket: bucket(name) };
        self.add(name, versioned, u64::wrapping_add);
        self.versions.insert(name.clone(), versioned);
        if content.is_none() {
            self.deletions.insert((version, name.clone()));
            self.forget_oldest_deletion();
        }
        true
    }

    /// Returns the names of deleted policies.
    pub fn deleted(&self) -> impl Iterator<Item = &PolicyName> {
        self.deletions.iter().map(|(_, name)| name)
    }

    /// Returns the number of policies with a version.
    pub fn policies(&self) -> usize {
        self.versions.len() - self.deletions.len()
    }

    /// Returns the names of policies and deletions in the buckets that `selects` accepts, sorted.
    pub fn names_in(&self, selects: impl Fn(usize) -> bool) -> impl Iterator<Item = &PolicyName> {
        let selected = self.versions.iter().filter(move |(_, versioned)| selects(versioned.bucket));
        selected.map(|(name, _)| name)
    }

    /// Returns the digest of each bucket. Nodes with the same versions have the same digests.
    pub fn digests(&self) -> &[u64; BUCKETS] {
        &self.digests
    }

    /// Forgets the version of a policy or deletion.
    pub fn forget(&mut self, name: &PolicyName) {
        if let Some(before) = self.versions.remove(name) {
            if before.content.is_none() {
                self.deletions.remove(&(before.version, name.clone()));
            }
            self.add(name, before, u64::wrapping_sub);
        }
    }

    fn forget_oldest_deletion(&mut self) {
        let oldest = self.deletions.first().filter(|_| self.deletions.len() > MAX_DELETIONS);
        if let Some(name) = oldest.map(|(_, name)| name.clone()) {
            self.forget(&name);
        }
    }

    fn add(&mut self, name: &PolicyName, versioned: Versioned, add: fn(u64, u64) -> u64) {
        let Versioned { version, content, .. } = versioned;
        let digest = first_bytes(&format!("{} {version} {content:?}", name.as_str()));
        if let Some(sum) = self.digests.get_mut(versioned.bucket) {
            *sum = add(*sum, digest);
        }
    }
}

/// Returns the bucket of a policy.
fn bucket(name: &PolicyName) -> usize {
    let place = first_bytes(name.as_str()) % BUCKETS as u64;
    usize::try_from(place).unwrap_or_default()
}

/// Returns the first eight bytes of the SHA-256 of `text`.
pub fn first_bytes(text: &str) -> u64 {
    Sha256::digest(text).first_chunk().copied().map(u64::from_be_bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use ratelog_core::PolicyName;

    use super::{BUCKETS, MAX_DELETIONS, PolicyVersions, bucket};
    use crate::state::policy_version::{NodeId, PolicyVersion};

    fn version(counter: u64, digit: &str) -> PolicyVersion {
        PolicyVersion { counter, node: NodeId::parse(digit.repeat(40).as_bytes()).unwrap() }
    }

    fn at(micros: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_micros(micros)
    }

    fn name(text: &str) -> PolicyName {
        text.parse().unwrap()
    }

    #[test]
    fn the_same_versions_in_any_order_have_the_same_digests() {
        let changes = [
            ("a", version(1, "a"), Some(1)),
            ("b", version(2, "b"), None),
            ("a", version(2, "b"), None),
        ];
        let (mut one, mut other) = (PolicyVersions::default(), PolicyVersions::default());
        for (text, version, content) in changes {
            one.set(&name(text), version, content);
        }
        for (text, version, content) in changes.into_iter().rev() {
            other.set(&name(text), version, content);
        }
        assert_eq!(one.digests(), other.digests());
        assert_eq!(one.get(&name("a")), Some(version(2, "b")));
        assert_eq!(one.next(version(0, "c").node, at(0)), version(3, "c"));
        assert_eq!(one.next(version(0, "c").node, at(1_700)), version(1_700, "c"));
        assert_eq!(one.deleted().count(), 2);
        one.set(&name("c"), version(3, "c"), Some(5));
        assert_ne!(one.digests(), other.digests());
        assert!(!one.set(&name("c"), version(3, "c"), Some(5)));
        assert!(!one.set(&name("c"), version(2, "d"), Some(5)));
    }

    #[test]
    fn a_later_change_is_greater_than_those_that_its_node_has_not_seen() {
        let mut busy = PolicyVersions::default();
        let [one, other] = ["a", "b"].map(|digit| version(0, digit).node);
        for change in 0..10 {
            let next = busy.next(other, at(1_000_000 + 20 * change));
            busy.set(&name("p"), next, Some(change));
        }
        let later = PolicyVersions::default().next(one, at(1_000_200));
        assert!(later > busy.get(&name("p")).unwrap());
    }

    #[test]
    fn every_version_can_be_parsed_again() {
        let mut versions = PolicyVersions::default();
        versions.set(&name("p"), version(PolicyVersion::MAX_COUNTER, "a"), Some(1));
        let next = versions.next(version(0, "c").node, at(1_700));
        assert_eq!(PolicyVersion::parse(&next.to_string()), Some(next));
    }

    #[test]
    fn different_policies_of_the_same_version_end_equal() {
        let (mut one, mut other) = (PolicyVersions::default(), PolicyVersions::default());
        let same = version(7, "a");
        one.set(&name("p"), same, Some(1));
        other.set(&name("p"), same, Some(2));
        assert_ne!(one.digests(), other.digests());
        assert!(one.set(&name("p"), same, Some(2)));
        assert!(!other.set(&name("p"), same, Some(1)));
        assert_eq!(one.digests(), other.digests());
    }

    #[test]
    fn the_oldest_deletions_are_forgotten() {
        let mut versions = PolicyVersions::default();
        for counter in 1..=MAX_DELETIONS as u64 + 5 {
            versions.set(&name(&format!("p{counter}")), version(counter, "a"), None);
        }
        assert_eq!(versions.deleted().count(), MAX_DELETIONS);
        assert_eq!(versions.get(&name("p5")), None);
        assert!(versions.get(&name("p6")).is_some());
    }

    #[test]
    fn policies_are_spread_over_the_buckets() {
        let used: std::collections::BTreeSet<_> =
            (0..1_000).map(|number| bucket(&name(&format!("p{number}")))).collect();
        assert_eq!(used.len(), BUCKETS);
    }
}
