//! What every caller of a Ratelog server needs besides a connection, in whatever language it is written.
//!
//! The Rust client and the Python package stand on this crate. It does no I/O, starts nothing and waits for nothing: it
//! says what to do, and its user does it.
//!
//! # Features
//!
//! None is on by default.
//!
//! | feature | adds |
//! | --- | --- |
//! | `limiter` | a server that may be away: circuit breaker, probes, and which errors tell of absence |
#![forbid(unsafe_code)]

#[cfg(feature = "limiter")]
mod absence;
#[cfg(feature = "limiter")]
mod breaker;
#[cfg(feature = "limiter")]
mod probes;
pub mod script;

#[cfg(feature = "limiter")]
pub use absence::Absence;
#[cfg(feature = "limiter")]
pub use breaker::{Breaker, History, State};
#[cfg(feature = "limiter")]
pub use probes::Probes;
