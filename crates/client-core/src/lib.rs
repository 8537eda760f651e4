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
//! | `engine` | a server that may be away: circuit breaker, probes, deny cache, known policies, and the limiter in this process |
//! | `http` | rate limit headers and problem details, written and read; trusted proxies |
//! | `retry` | how long to wait, whether to repeat a request, and when to send the next |
#![forbid(unsafe_code)]

mod check;
#[cfg(feature = "engine")]
mod clock;
#[cfg(feature = "engine")]
mod engine;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "retry")]
pub mod retry;
pub mod script;

pub use check::{Check, Checks, Under};
#[cfg(feature = "engine")]
pub use clock::Clock;
#[cfg(feature = "engine")]
pub use engine::{
    Breaker, BreakerStatus, DenyCache, FailureKind, FixedOutcome, Held, KeyVersion, Local,
    Policies, ProbeBackoff, State, Terms, UnknownPolicy, apply_mode, fallback_decision,
};
