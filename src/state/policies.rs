//! The policies of this node.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use ahash::AHashMap;
use ratelog_core::{Evaluation, Policy, PolicyName};
use sha2::{Digest, Sha256};

use super::policy_json;
use crate::monitor::Counts;

/// Policies with their names and the counts of their checks on this node.
#[derive(Default)]
pub struct Policies {
    by_name: AHashMap<PolicyName, Rc<PolicyEntry>>,
    /// The cached digest, or `None` if the policies have changed since it was computed.
    digest: Option<String>,
}

/// A policy and its counts.
pub struct PolicyEntry {
    /// The policy.
    pub policy: Policy,
    counts: Cell<Counts>,
}

impl std::borrow::Borrow<Policy> for PolicyEntry {
    fn borrow(&self) -> &Policy {
        &self.policy
    }
}

impl PolicyEntry {
    /// Returns the counts of the policy's checks.
    pub fn counts(&self) -> Counts {
        self.counts.get()
    }

    /// Counts a check under the policy.
    pub fn count(&self, evaluation: &Evaluation) {
        let mut counts = self.counts.get();
        counts.add(evaluation);
        self.counts.set(counts);
    }
}

impl Policies {
    /// Returns the policy called `name`.
    pub fn get(&self, name: &[u8]) -> Option<Rc<PolicyEntry>> {
        self.by_name.get(std::str::from_utf8(name).ok()?).cloned()
    }

    /// Returns the number of policies.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Sets the policy called `name`. The policy continues the counts of the policy that it replaces.
    pub fn set(&mut self, name: PolicyName, policy: Policy) {
        let counts =
            self.by_name.get(name.as_str()).map(|entry| entry.counts()).unwrap_or_default();
        self.by_name.insert(name, Rc::new(PolicyEntry { policy, counts: Cell::new(counts) }));
        self.digest = None;
    }

    /// Removes the policy called `name`.
    pub fn remove(&mut self, name: &PolicyName) {
        self.by_name.remove(name.as_str());
        self.digest = None;
    }

    /// Replaces all policies. A policy with the name of an earlier one continues its counts.
    pub fn replace(&mut self, policies: BTreeMap<PolicyName, Policy>) {
        self.by_name.retain(|name, _| policies.contains_key(name));
        for (name, policy) in policies {
            self.set(name, policy);
        }
        self.digest = None;
    }

    /// Continues the counts of `before` for policies of the same name.
    pub fn continue_counts(&mut self, before: &Self) {
        for (name, entry) in &self.by_name {
            if let Some(before) = before.by_name.get(name) {
                entry.counts.set(before.counts());
            }
        }
    }

    /// Returns all policies, sorted by name.
    pub fn sorted(&self) -> BTreeMap<&PolicyName, &Rc<PolicyEntry>> {
        self.by_name.iter().collect()
    }

    /// Returns all policies as JSON. Equal policies give equal texts.
    pub fn to_json(&self) -> String {
        policy_json::format(self.sorted().iter().map(|(&name, entry)| (name, &entry.policy)))
    }

    /// Returns the first eight bytes of the SHA-256 of [`Self::to_json`] in hexadecimal.
    pub fn digest(&mut self) -> &str {
        let text = self.digest.take().unwrap_or_else(|| {
            let hash = Sha256::digest(self.to_json());
            let first = hash.first_chunk().copied().map(u64::from_be_bytes);
            format!("{:016x}", first.unwrap_or_default())
        });
        self.digest.insert(text)
    }

    /// Sets all counts to zero.
    pub fn reset_counts(&mut self) {
        for entry in self.by_name.values() {
            entry.counts.set(Counts::default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Policies;
    use crate::request::{Bounds, PolicySet};

    fn set(policies: &mut Policies, line: &str) {
        let words = line.split(' ').map(str::as_bytes);
        let PolicySet { name, policy } = PolicySet::parse(words, &Bounds::default()).unwrap();
        policies.set(name, policy);
    }

    #[test]
    fn the_digest_depends_only_on_the_policies() {
        let (mut one, mut other) = (Policies::default(), Policies::default());
        assert_eq!(one.digest(), other.digest());
        set(&mut one, "a 10 1m");
        set(&mut one, "b SHADOW 10 1m");
        set(&mut other, "b SHADOW 10 60s");
        assert_ne!(one.digest(), other.digest());
        set(&mut other, "a 10 60000ms");
        assert_eq!(one.digest(), other.digest());
        set(&mut other, "b 10 60");
        assert_ne!(one.digest(), other.digest());
        assert_eq!(one.digest().len(), 16);
    }

    #[test]
    fn names_are_found_by_their_bytes() {
        let mut policies = Policies::default();
        set(&mut policies, "api 10 1m");
        assert!(policies.get(b"api").is_some());
        assert!(policies.get(b"API").is_none());
        assert!(policies.get(b"\xff").is_none());
        assert_eq!(policies.len(), 1);
    }
}
