//! The values of keys, the policies of the node, and the effects that change them. This code never calls the server's
//! API, so all of it is tested without a server.

pub mod effect;
mod json_object;
mod key_meta;
pub mod override_codec;
mod override_index;
mod policies;
mod policy_change;
pub mod policy_effect;
pub mod policy_json;
mod policy_peers;
mod policy_version;
mod policy_versions;
mod value;

pub use effect::{Effect, IndexChange, Record};
pub use key_meta::Expiry;
pub use override_index::{KeyLocation, OverrideId, OverrideIndex, OverridePage, StoredOverride};
pub use policies::{Policies, PolicyEntry};
pub use policy_change::PolicyChange;
pub use policy_effect::PolicyEffect;
pub use policy_peers::{PolicyPeers, PolicySummary};
pub use policy_version::NodeId;
pub use value::{ENCODING, ExpiryUpdate, Value};
