//! Checks against a server that may be unavailable.
//!
//! A client asks the [`Breaker`] first. While it is closed the client queries the server, and classifies an error with
//! [`FailureKind`]. While it is open the client probes the server at the intervals of a [`ProbeBackoff`], and answers
//! checks with a [`LocalLimiter`], under the rules that its [`Policies`] resolve, or with a
//! [`fallback_decision`](fallback_decision()). A [`DenyCache`] answers repeated checks of a key that is over its limit.
//!
//! A cluster has a breaker for each shard, which a [`ShardMap`] finds by the key.

mod breaker;
mod deny_cache;
mod failure_kind;
mod fallback_decision;
mod hash_slot;
mod key_versions;
mod local;
mod pace;
mod policies;
mod probe_backoff;
mod shard_map;
mod unrecorded;

pub use breaker::{Breaker, BreakerState, BreakerStatus};
pub use deny_cache::{DenyCache, KeyVersion};
pub use failure_kind::FailureKind;
pub use fallback_decision::{FixedOutcome, apply_mode, fallback_decision};
pub use hash_slot::hash_slot;
pub use local::LocalLimiter;
pub use pace::pace;
pub use policies::{Policies, UnknownPolicy};
pub use probe_backoff::ProbeBackoff;
pub use shard_map::ShardMap;
pub use unrecorded::unrecorded;
