//! The node's state apart from its keys.

use super::api::Global;
use crate::monitor::Monitor;
use crate::state::{OverrideIndex, Policies, PolicyPeers};

/// The policies. They are replicated and saved.
pub static POLICIES: Global<Policies> = Global::new();
/// The last summaries of their policies that the cluster's primaries sent.
pub static PEERS: Global<PolicyPeers> = Global::new();
/// The counts of this node's checks since it started.
pub static MONITOR: Global<Monitor> = Global::new();
/// The index of overrides, derived from the keys.
pub static OVERRIDES: Global<OverrideIndex> = Global::new();
