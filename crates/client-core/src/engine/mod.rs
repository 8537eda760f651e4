mod breaker;
mod deny_cache;
mod failure_kind;
mod fallback_decision;
mod local;
mod policies;
mod probe_backoff;
mod terms;

pub use breaker::{Breaker, History, State};
pub use deny_cache::{Denials, Ticket};
pub use failure_kind::Absence;
pub use fallback_decision::{Grant, granted};
pub use local::Local;
pub use policies::Policies;
pub use probe_backoff::Probes;
pub use terms::{Held, Terms, UnknownPolicy, told_under};
