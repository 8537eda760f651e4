//! The effects of commands on the node's policies. Only effects change the policies: on the server that runs the
//! command, on its replicas, and when the append-only file is loaded.

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::time::SystemTime;

use ratelog_core::{Policy, PolicyName};

use super::policies::Policies;
use super::policy_change::PolicyChange;
use super::policy_json;
use super::policy_version::NodeId;
use crate::error::Error;
use crate::request;

/// The internal command that repeats an effect on policies.
pub const COMMAND: &CStr = c"RL._POLICY";
/// The first argument of an effect that replaces all policies.
pub const LOAD: &CStr = c"LOAD";

/// One change of the policies.
#[allow(clippy::large_enum_variant, reason = "only one exists at a time")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyEffect {
    /// Sets one policy.
    Set(PolicyName, Policy),
    /// Deletes one policy.
    Delete(PolicyName),
    /// Applies changes with versions: those that are greater than the versions of the node.
    Merge(Vec<PolicyChange>),
    /// Replaces all policies and versions.
    Load(Vec<PolicyChange>),
}

impl PolicyEffect {
    /// Parses the two arguments of the internal command.
    ///
    /// # Errors
    /// [`Error`] for an unknown word, or a text that does not belong to it.
    pub fn parse(word: &[u8], text: &[u8]) -> Result<Self, Error> {
        match word.to_ascii_uppercase().as_slice() {
            b"SET" => policy_json::parse_one(text).map(|(name, policy)| Self::Set(name, policy)),
            b"DEL" => request::parse_policy_name(text).map(Self::Delete),
            b"MERGE" => policy_json::parse_changes(text).map(Self::Merge),
            b"LOAD" => policy_json::parse_changes(text).map(Self::Load),
            _ => Err(Error::UnknownKeyword(word.into())),
        }
    }

    /// Returns the two arguments of the internal command.
    pub fn to_args(&self) -> (&'static CStr, String) {
        match self {
            Self::Set(name, policy) => (c"SET", policy_json::format_one(name, policy)),
            Self::Delete(name) => (c"DEL", name.to_string()),
            Self::Merge(changes) => (c"MERGE", policy_json::format_changes(changes)),
            Self::Load(changes) => (LOAD, policy_json::format_changes(changes)),
        }
    }

    /// Returns the effect that makes the same change in a cluster at `now`, with a version of `node`.
    #[must_use]
    pub fn with_version(self, policies: &Policies, node: NodeId, now: SystemTime) -> Self {
        let version = Some(policies.versions().next(node, now));
        Self::Merge(match self {
            Self::Set(name, policy) => vec![PolicyChange { name, version, policy: Some(policy) }],
            Self::Delete(name) => vec![PolicyChange { name, version, policy: None }],
            Self::Merge(changes) => changes,
            Self::Load(all) => {
                let names: BTreeSet<_> = all.iter().map(|change| change.name.clone()).collect();
                let set = all.into_iter().map(|change| PolicyChange { version, ..change });
                let removed = policies.sorted().into_keys().filter(|name| !names.contains(*name));
                let removed =
                    removed.map(|name| PolicyChange { name: name.clone(), version, policy: None });
                set.chain(removed).collect()
            }
        })
    }

    /// Applies the effect.
    pub fn apply(self, policies: &mut Policies) {
        match self {
            Self::Set(name, policy) => {
                policies.merge(PolicyChange { name, version: None, policy: Some(policy) });
            }
            Self::Delete(name) => {
                policies.merge(PolicyChange { name, version: None, policy: None });
            }
            Self::Merge(changes) => {
                for change in changes {
                    policies.merge(change);
                }
            }
            Self::Load(all) => policies.replace(all),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::PolicyEffect;
    use crate::state::{NodeId, Policies};

    #[test]
    fn every_effect_round_trips() {
        let one = r#"{"name":"a","rules":[{"limit":1,"window":"1s"}]}"#;
        let all = format!(r#"{{"policies":[{one}]}}"#);
        for (word, text) in [("SET", one), ("DEL", "a"), ("LOAD", &all)] {
            let effect = PolicyEffect::parse(word.as_bytes(), text.as_bytes()).unwrap();
            let (written, arguments) = effect.to_args();
            assert_eq!((written.to_bytes(), arguments.as_str()), (word.as_bytes(), text));
        }
        assert!(PolicyEffect::parse(b"SET", b"").is_err());
        assert!(PolicyEffect::parse(b"DEL", b"").is_err());
        assert!(PolicyEffect::parse(b"PUT", b"a").is_err());
    }

    #[test]
    fn a_change_in_a_cluster_has_a_version() {
        let node = NodeId::parse("a".repeat(40).as_bytes()).unwrap();
        let one = |name| format!(r#"{{"name":"{name}","rules":[{{"limit":1,"window":"1s"}}]}}"#);
        let mut policies = Policies::default();
        let mut apply = |word: &str, text: &str| {
            let effect = PolicyEffect::parse(word.as_bytes(), text.as_bytes()).unwrap();
            let effect = effect.with_version(&policies, node, SystemTime::UNIX_EPOCH);
            let (word, text) = effect.to_args();
            assert_eq!(PolicyEffect::parse(word.to_bytes(), text.as_bytes()), Ok(effect.clone()));
            effect.apply(&mut policies);
            let names = policies.sorted().keys().map(|name| name.as_str().to_owned()).collect();
            let deleted =
                policies.versions().deleted().map(|name| name.as_str().to_owned()).collect();
            (names, deleted, policies.versions().counter())
        };
        let own = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(apply("SET", &one("a")), (own(&["a"]), own(&[]), 1));
        assert_eq!(apply("SET", &one("b")), (own(&["a", "b"]), own(&[]), 2));
        assert_eq!(apply("DEL", "a"), (own(&["b"]), own(&["a"]), 3));
        let all = format!(r#"{{"policies":[{}]}}"#, one("c"));
        assert_eq!(apply("LOAD", &all), (own(&["c"]), own(&["a", "b"]), 4));
        assert_eq!(apply("SET", &one("a")), (own(&["a", "c"]), own(&["b"]), 5));
    }

    #[test]
    fn a_bad_version_is_named() {
        let parse = |fields: &str| {
            let text = format!(r#"{{"policies":[{{"name":"a",{fields}}}]}}"#);
            PolicyEffect::parse(b"MERGE", text.as_bytes()).unwrap_err().to_string()
        };
        let prefix = "ERR policies cannot be read: policies[0].";
        let error = parse(r#""version":"5-x""#);
        assert_eq!(error, format!("{prefix}version: '5-x' is not a counter and a node"));
        assert_eq!(parse(r#""shadow":true"#), format!("{prefix}rules: missing field"));
        let twice = r#""rules":[{"limit":1,"window":"1s"}]},{"name":"a","rules":[{"limit":1,"window":"1s"}]"#;
        assert!(parse(twice).ends_with("policies[1].name: 'a' is given twice"));
    }

    #[test]
    fn effects_change_the_policies() {
        let mut policies = Policies::default();
        let mut apply = |word: &str, text: &str| {
            PolicyEffect::parse(word.as_bytes(), text.as_bytes()).unwrap().apply(&mut policies);
            policies.sorted().keys().map(|name| name.as_str().to_owned()).collect::<Vec<_>>()
        };
        let one = |name| format!(r#"{{"name":"{name}","rules":[{{"limit":1,"window":"1s"}}]}}"#);
        assert_eq!(apply("SET", &one("a")), ["a"]);
        assert_eq!(apply("SET", &one("b")), ["a", "b"]);
        assert_eq!(apply("DEL", "a"), ["b"]);
        assert_eq!(apply("LOAD", &format!(r#"{{"policies":[{}]}}"#, one("c"))), ["c"]);
    }
}
