//! The policies of this node.

use std::cell::Cell;
use std::cmp::Reverse;
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
    /// The sum of the policies' digests.
    digest: u64,
}

/// A policy and its counts.
pub struct PolicyEntry {
    /// The policy.
    pub policy: Policy,
    counts: Cell<Counts>,
    /// The checks that each rule denied, or would have denied in shadow mode.
    denied_by_rule: Box<[Cell<u64>]>,
    /// The first eight bytes of the SHA-256 of the policy as JSON.
    digest: u64,
}

impl std::borrow::Borrow<Policy> for PolicyEntry {
    fn borrow(&self) -> &Policy {
        &self.policy
    }
}

impl PolicyEntry {
    fn new(name: &PolicyName, policy: Policy) -> Self {
        let hash = Sha256::digest(policy_json::format_one(name, &policy));
        let digest = hash.first_chunk().copied().map(u64::from_be_bytes).unwrap_or_default();
        let denied_by_rule = policy.rules.iter().map(|_| Cell::default()).collect();
        Self { policy, counts: Cell::default(), denied_by_rule, digest }
    }

    /// Returns the counts of the policy's checks.
    pub fn counts(&self) -> Counts {
        self.counts.get()
    }

    /// Returns the denials by each rule, in the order of the rules. An override's denials belong to no rule.
    pub fn denied_by_rule(&self) -> impl ExactSizeIterator<Item = u64> {
        self.denied_by_rule.iter().map(Cell::get)
    }

    /// Counts a check under the policy.
    pub fn count(&self, evaluation: &Evaluation) {
        let mut counts = self.counts.get();
        counts.add(evaluation);
        self.counts.set(counts);
        if let Some(count) = evaluation.denied_by.and_then(|rule| self.denied_by_rule.get(rule)) {
            count.set(count.get() + 1);
        }
    }

    /// Continues the counts of an earlier policy. The denials by rule continue only if the rules are equal.
    fn continue_counts(&self, before: &Self) {
        self.counts.set(before.counts());
        if self.policy.rules == before.policy.rules {
            for (count, before) in self.denied_by_rule.iter().zip(before.denied_by_rule()) {
                count.set(before);
            }
        }
    }

    fn reset_counts(&self) {
        self.counts.set(Counts::default());
        for count in &self.denied_by_rule {
            count.set(0);
        }
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
        let entry = PolicyEntry::new(&name, policy);
        if let Some(before) = self.remove(&name) {
            entry.continue_counts(&before);
        }
        self.digest = self.digest.wrapping_add(entry.digest);
        self.by_name.insert(name, Rc::new(entry));
    }

    /// Removes and returns the policy called `name`.
    pub fn remove(&mut self, name: &PolicyName) -> Option<Rc<PolicyEntry>> {
        let removed = self.by_name.remove(name.as_str())?;
        self.digest = self.digest.wrapping_sub(removed.digest);
        Some(removed)
    }

    /// Replaces all policies. A policy with the name of an earlier one continues its counts.
    pub fn replace(&mut self, policies: BTreeMap<PolicyName, Policy>) {
        let before = std::mem::take(self);
        for (name, policy) in policies {
            self.set(name, policy);
        }
        self.continue_counts(&before);
    }

    /// Continues the counts of `before` for policies of the same name.
    pub fn continue_counts(&mut self, before: &Self) {
        for (name, entry) in &self.by_name {
            if let Some(before) = before.by_name.get(name) {
                entry.continue_counts(before);
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

    /// Returns the digest as 16 hexadecimal digits. Equal policies have equal digests.
    ///
    /// The digest is updated with each change, so that `INFO` takes the same time with any number of policies.
    pub fn digest(&self) -> String {
        format!("{:016x}", self.digest)
    }

    /// Returns the `most` policies with the most checks, sorted by name. If several have equally many checks, the first
    /// by name are preferred.
    pub fn busiest(&self, most: usize) -> Vec<(&PolicyName, &PolicyEntry)> {
        let ranked = self.by_name.iter().map(|(name, entry)| {
            let rank = (Reverse(entry.counts().checks), name);
            (rank, &**entry)
        });
        let mut ranked: Vec<_> = ranked.collect();
        if most < ranked.len() {
            ranked.select_nth_unstable_by_key(most, |&(rank, _)| rank);
            ranked.truncate(most);
        }
        let mut busiest: Vec<_> =
            ranked.into_iter().map(|((_, name), entry)| (name, entry)).collect();
        busiest.sort_unstable_by_key(|&(name, _)| name);
        busiest
    }

    /// Sets all counts to zero.
    pub fn reset_counts(&mut self) {
        for entry in self.by_name.values() {
            entry.reset_counts();
        }
    }
}

#[cfg(test)]
mod tests {
    use ratelog_core::PolicyName;

    use super::Policies;
    use crate::request::{Bounds, PolicySet};

    fn set(policies: &mut Policies, line: &str) {
        let words = line.split(' ').map(str::as_bytes);
        let PolicySet { name, policy } = PolicySet::parse(words, &Bounds::default()).unwrap();
        policies.set(name, policy);
    }

    fn name(text: &str) -> PolicyName {
        text.parse().unwrap()
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
        set(&mut other, "b SHADOW 10 1m");
        set(&mut other, "c 1 1m");
        assert_ne!(one.digest(), other.digest());
        assert!(other.remove(&name("c")).is_some());
        assert!(other.remove(&name("c")).is_none());
        assert_eq!(one.digest(), other.digest());
    }

    #[test]
    fn policies_that_exchange_their_names_have_another_digest() {
        let (mut one, mut other) = (Policies::default(), Policies::default());
        set(&mut one, "a 1 1m");
        set(&mut one, "b 2 1m");
        set(&mut other, "a 2 1m");
        set(&mut other, "b 1 1m");
        assert_ne!(one.digest(), other.digest());
    }

    #[test]
    fn the_digest_of_replaced_policies_is_that_of_the_new_ones() {
        let (mut one, mut other) = (Policies::default(), Policies::default());
        set(&mut one, "a 1 1m");
        set(&mut one, "b 2 1m");
        set(&mut other, "b 3 1m");
        let policy = other.get(b"b").unwrap().policy.clone();
        one.replace([(name("b"), policy)].into());
        assert_eq!(one.digest(), other.digest());
        assert_ne!(one.digest(), Policies::default().digest());
        one.replace([].into());
        assert_eq!(one.digest(), Policies::default().digest());
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
