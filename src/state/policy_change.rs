use ratelog_core::{Policy, PolicyName};

use super::policy_version::PolicyVersion;

/// A policy, or its deletion, with its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyChange {
    /// The policy's name.
    pub name: PolicyName,
    /// The version, or `None` for a policy that was set outside a cluster.
    pub version: Option<PolicyVersion>,
    /// The policy, or `None` if it is deleted.
    pub policy: Option<Policy>,
}
