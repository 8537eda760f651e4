//! What the node keeps besides its keys.

use crate::monitor::Monitor;
use crate::overrides::OverrideIndex;
use crate::policies::Policies;
use crate::server::Global;

/// The policies: replicated and saved.
pub static POLICIES: Global<Policies> = Global::new();
/// The counts: this node's alone, from its start on.
pub static MONITOR: Global<Monitor> = Global::new();
/// Where the overrides are: follows from the keys.
pub static OVERRIDES: Global<OverrideIndex> = Global::new();
