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
//! | `limiter` | a server that may be away: circuit breaker, probes, deny cache, known policies, and the limiter in this process |
//! | `http` | trusted proxies, and what a client's address is counted under |
//! | `retry` | how long to wait, whether to repeat a request, and when to send the next |
#![forbid(unsafe_code)]

#[cfg(feature = "limiter")]
mod absence;
#[cfg(feature = "limiter")]
mod breaker;
mod check;
#[cfg(feature = "limiter")]
mod clock;
#[cfg(feature = "limiter")]
mod denials;
#[cfg(feature = "limiter")]
mod granted;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "limiter")]
mod local;
#[cfg(feature = "limiter")]
mod policies;
#[cfg(feature = "limiter")]
mod probes;
#[cfg(feature = "retry")]
pub mod retry;
pub mod script;
#[cfg(feature = "limiter")]
mod terms;

#[cfg(feature = "limiter")]
pub use absence::Absence;
#[cfg(feature = "limiter")]
pub use breaker::{Breaker, History, State};
pub use check::{Check, Checks, Under};
#[cfg(feature = "limiter")]
pub use clock::Clock;
#[cfg(feature = "limiter")]
pub use denials::{Denials, Ticket};
#[cfg(feature = "limiter")]
pub use granted::{Grant, granted};
#[cfg(feature = "limiter")]
pub use local::Local;
#[cfg(feature = "limiter")]
pub use policies::Policies;
#[cfg(feature = "limiter")]
pub use probes::Probes;
#[cfg(feature = "limiter")]
pub use terms::{Held, Terms, UnknownPolicy, told_under};
