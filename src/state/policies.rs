//! The policies of this node.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::rc::Rc;

use ahash::AHashMap;
use ratelog_core::{Evaluation, Policy, PolicyName};

use super::policy_change::PolicyChange;
use super::policy_json;
use super::policy_version::{NodeId, PolicyVersion};
use super::policy_versions::{PolicyVersions, first_bytes};
use crate::monitor::Counts;

/// Policies with their names and the counts of their checks on this node.
#[derive(Default)]
pub struct Policies {
    by_name: AHashMap<PolicyName, Rc<PolicyEntry>>,
    /// The sum of the policies' digests.
    digest: u64,
    /// The versions of the policies and of deletions, in a cluster.
    versions: PolicyVersions,
}

/// A policy and its counts.
pub struct PolicyEntry {
    /// The policy.
    pub policy: Policy,
    counts: Cell<Counts>,
    /// The checks that each rule denied, or would have denied in shadow mode.
    denied_by_rule: Box<[Cell<u64>]>,
    /// The policy as JSON.
    json: Box<str>,
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
        let json = policy_json::format_one(name, &policy).into_boxed_str();
        let digest = first_bytes(&json);
        let denied_by_rule = policy.rules.iter().map(|_| Cell::default()).collect();
        Self { policy, counts: Cell::default(), denied_by_rule, json, digest }
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

/// Returns the digest of a policy.
fn digest_of(name: &PolicyName, policy: &Policy) -> u64 {
    first_bytes(&policy_json::format_one(name, policy))
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

    /// Returns whether there are neither policies nor versions of deleted ones.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty() && self.versions.deleted().next().is_none()
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

    /// Replaces all policies and versions. A policy with the name of an earlier one continues its counts.
    pub fn replace(&mut self, policies: Vec<PolicyChange>) {
        let before = std::mem::take(self);
        for change in policies {
            self.merge(change);
        }
        self.continue_counts(&before);
    }

    /// Applies a change, unless the policy has a version that is at least as great. Returns whether it was applied.
    pub fn merge(&mut self, change: PolicyChange) -> bool {
        let PolicyChange { name, version, policy } = change;
        let is_new = if let Some(version) = version {
            let content = policy.as_ref().map(|policy| digest_of(&name, policy));
            self.versions.set(&name, version, content)
        } else {
            self.versions.forget(&name);
            true
        };
        if is_new {
            match policy {
                Some(policy) => self.set(name, policy),
                None => drop(self.remove(&name)),
            }
        }
        is_new
    }

    /// Returns the versions of the policies and of deletions.
    pub fn versions(&self) -> &PolicyVersions {
        &self.versions
    }

    /// Returns the policies and deletions with versions in the buckets that `selects` accepts, sorted by name.
    pub fn changes_in(&self, selects: impl Fn(usize) -> bool) -> Vec<PolicyChange> {
        let names = self.versions.names_in(selects);
        names
            .map(|name| PolicyChange {
                name: name.clone(),
                version: self.versions.get(name),
                policy: self.by_name.get(name).map(|entry| entry.policy.clone()),
            })
            .collect()
    }

    /// Returns the policies that have no version, with the lowest version of `node`. Every change in the cluster is greater.
    pub fn without_version(&self, node: NodeId) -> Vec<PolicyChange> {
        if self.versions.policies() == self.by_name.len() {
            return Vec::new();
        }
        let version = Some(PolicyVersion { counter: 0, node });
        let unversioned = self.changes(|name| self.versions.get(name).is_none());
        unversioned.into_iter().map(|change| PolicyChange { version, ..change }).collect()
    }

    /// Returns all policies and deletions whose name `selects` accepts, sorted by name.
    pub fn changes(&self, selects: impl Fn(&PolicyName) -> bool) -> Vec<PolicyChange> {
        let live = self.by_name.iter().map(|(name, entry)| (name, Some(entry.policy.clone())));
        let deleted = self.versions.deleted().map(|name| (name, None));
        let mut changes: Vec<_> = live
            .chain(deleted)
            .filter(|(name, _)| selects(name))
            .map(|(name, policy)| {
                let version = self.versions.get(name);
                PolicyChange { name: name.clone(), version, policy }
            })
            .collect();
        changes.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        changes
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
        policy_json::join(self.sorted().into_values().map(|entry| &*entry.json))
    }

    /// Returns all policies and deletions with their versions as JSON, for snapshots and the append-only file.
    pub fn to_state_json(&self) -> String {
        policy_json::format_changes(&self.changes(|_| true))
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

    use super::{Policies, PolicyChange, policy_json};
    use crate::request::{Bounds, PolicySet};
    use crate::state::policy_version::{NodeId, PolicyVersion};

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
        one.replace(other.changes(|_| true));
        assert_eq!(one.digest(), other.digest());
        assert_ne!(one.digest(), Policies::default().digest());
        one.replace(Vec::new());
        assert_eq!(one.digest(), Policies::default().digest());
    }

    #[test]
    fn nodes_that_merge_the_same_changes_in_any_order_are_equal() {
        let version = |counter, digit: &str| {
            let node = NodeId::parse(digit.repeat(40).as_bytes()).unwrap();
            Some(PolicyVersion { counter, node })
        };
        let policy = |line: &str| {
            let words = line.split(' ').map(str::as_bytes);
            PolicySet::parse(words, &Bounds::default()).unwrap().policy
        };
        let changes = [
            ("p", version(1, "a"), Some(policy("p 1 1m"))),
            ("p", version(2, "a"), Some(policy("p 2 1m"))),
            ("p", version(2, "b"), Some(policy("p 3 1m"))),
            ("q", version(3, "a"), Some(policy("q 1 1m"))),
            ("q", version(4, "a"), None),
        ]
        .map(|(text, version, policy)| PolicyChange { name: name(text), version, policy });
        let (mut one, mut other) = (Policies::default(), Policies::default());
        let applied: Vec<_> = changes.iter().cloned().map(|change| one.merge(change)).collect();
        assert_eq!(applied, [true; 5]);
        let applied: Vec<_> =
            changes.iter().rev().cloned().map(|change| other.merge(change)).collect();
        assert_eq!(applied, [true, false, true, false, false]);
        assert_eq!(one.digest(), other.digest());
        assert_eq!(one.versions().digests(), other.versions().digests());
        assert_eq!(one.changes(|_| true), [changes[2].clone(), changes[4].clone()]);
        assert_eq!(one.changes(|name| name.as_str() == "q"), [changes[4].clone()]);

        assert_eq!(one.changes_in(|_| true), one.changes(|_| true));
        assert_eq!(one.changes_in(|_| false), []);

        let mut loaded = Policies::default();
        loaded.replace(policy_json::parse_changes(one.to_state_json().as_bytes()).unwrap());
        assert_eq!(loaded.changes(|_| true), one.changes(|_| true));
        assert_eq!(loaded.versions().digests(), one.versions().digests());
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
