mod breaker;
mod deny_cache;
mod failure_kind;
mod fallback_decision;
mod local;
mod policies;
mod probe_backoff;
mod terms;

pub use breaker::{Breaker, BreakerStatus, State};
pub use deny_cache::{DenyCache, KeyVersion};
pub use failure_kind::FailureKind;
pub use fallback_decision::{FixedOutcome, fallback_decision};
pub use local::Local;
pub use policies::Policies;
pub use probe_backoff::ProbeBackoff;
pub use terms::{Held, Terms, UnknownPolicy, apply_mode};
