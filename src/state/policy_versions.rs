use std::collections::BTreeMap;

use ratelog_core::PolicyName;
use sha2::{Digest, Sha256};

use super::policy_version::{NodeId, PolicyVersion};

/// The number of buckets that nodes compare. A difference costs the transfer of one bucket.
pub const BUCKETS: usize = 64;

/// The maximum number of deletions that are remembered. If there are more, the oldest are forgotten, and a node that was
/// away since then may bring back what they deleted.
const MAX_DELETIONS: usize = 10_000;

/// The versions of policies and deletions. Outside a cluster there are none.
#[derive(Debug)]
pub struct PolicyVersions {
    versions: BTreeMap<PolicyName, Versioned>,
    deletions: usize,
    /// The greatest counter that this node has seen.
    counter: u64,
    /// For each bucket, the sum of the digests of its versions.
    digests: [u64; BUCKETS],
}

#[derive(Clone, Copy, Debug)]
struct Versioned {
    version: PolicyVersion,
    bucket: usize,
    is_deletion: bool,
}

impl Default for PolicyVersions {
    fn default() -> Self {
        Self { versions: BTreeMap::new(), deletions: 0, counter: 0, digests: [0; BUCKETS] }
    }
}

impl PolicyVersions {
    /// Returns the version of the policy or deletion.
    pub fn get(&self, name: &PolicyName) -> Option<PolicyVersion> {
        self.versions.get(name).map(|versioned| versioned.version)
    }

    /// Returns the version of the next change that `node` makes.
    pub fn next(&self, node: NodeId) -> PolicyVersion {
        PolicyVersion { counter: self.counter.saturating_add(1), node }
    }

    /// Returns the greatest counter that this node has seen.
    pub fn counter(&self) -> u64 {
        self.counter
    }

    /// Sets the version of a policy, unless the known one is at least as great. Returns whether it was set.
    pub fn set(&mut self, name: &PolicyName, version: PolicyVersion, is_deletion: bool) -> bool {
        self.counter = self.counter.max(version.counter);
        if self.get(name).is_some_and(|known| known >= version) {
            return false;
        }
        self.forget(name);
        self.deletions += usize::from(is_deletion);
        let versioned = Versioned { version, bucket: bucket(name), is_deletion };
        self.add(name, versioned, u64::wrapping_add);
        self.versions.insert(name.clone(), versioned);
        if self.deletions > MAX_DELETIONS {
            self.forget_oldest_deletion();
        }
        true
    }

    /// Returns the names of deleted policies.
    pub fn deleted(&self) -> impl Iterator<Item = &PolicyName> {
        let deleted = self.versions.iter().filter(|(_, versioned)| versioned.is_deletion);
        deleted.map(|(name, _)| name)
    }

    /// Returns the number of policies with a version.
    pub fn policies(&self) -> usize {
        self.versions.len() - self.deletions
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
            self.deletions -= usize::from(before.is_deletion);
            self.add(name, before, u64::wrapping_sub);
        }
    }

    fn forget_oldest_deletion(&mut self) {
        let deletions = self.versions.iter().filter(|(_, versioned)| versioned.is_deletion);
        let oldest = deletions.min_by_key(|(_, versioned)| versioned.version);
        if let Some(name) = oldest.map(|(name, _)| name.clone()) {
            self.forget(&name);
        }
    }

    fn add(&mut self, name: &PolicyName, versioned: Versioned, add: fn(u64, u64) -> u64) {
        let digest = first_bytes(&format!("{} {}", name.as_str(), versioned.version));
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
fn first_bytes(text: &str) -> u64 {
    Sha256::digest(text).first_chunk().copied().map(u64::from_be_bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use ratelog_core::PolicyName;

    use super::{BUCKETS, MAX_DELETIONS, PolicyVersions, bucket};
    use crate::state::policy_version::{NodeId, PolicyVersion};

    fn version(counter: u64, digit: &str) -> PolicyVersion {
        PolicyVersion { counter, node: NodeId::parse(digit.repeat(40).as_bytes()).unwrap() }
    }

    fn name(text: &str) -> PolicyName {
        text.parse().unwrap()
    }

    #[test]
    fn the_same_versions_in_any_order_have_the_same_digests() {
        let changes = [
            ("a", version(1, "a"), false),
            ("b", version(2, "b"), true),
            ("a", version(2, "b"), true),
        ];
        let (mut one, mut other) = (PolicyVersions::default(), PolicyVersions::default());
        for (text, version, is_deletion) in changes {
            one.set(&name(text), version, is_deletion);
        }
        for (text, version, is_deletion) in changes.into_iter().rev() {
            other.set(&name(text), version, is_deletion);
        }
        assert_eq!(one.digests(), other.digests());
        assert_eq!(one.get(&name("a")), Some(version(2, "b")));
        assert_eq!(one.next(version(0, "c").node), version(3, "c"));
        assert_eq!(one.deleted().count(), 2);
        one.set(&name("c"), version(3, "c"), false);
        assert_ne!(one.digests(), other.digests());
        assert!(!one.set(&name("c"), version(3, "c"), false));
        assert!(!one.set(&name("c"), version(2, "d"), false));
    }

    #[test]
    fn the_oldest_deletions_are_forgotten() {
        let mut versions = PolicyVersions::default();
        for counter in 1..=MAX_DELETIONS as u64 + 5 {
            versions.set(&name(&format!("p{counter}")), version(counter, "a"), true);
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
