//! The part of a Ratelog client that is not a connection, for clients in any language.
//!
//! The Rust client and the Python package are built on this crate. It does no I/O and needs no runtime. It reads no
//! clock either, except in [`Clock`]: every other function takes the time as an argument.
//!
//! # Features
//!
//! No feature is on by default.
//!
//! | feature | adds |
//! | --- | --- |
//! | `engine` | for a server that may be unavailable: circuit breaker, probe backoff, deny cache, known policies, in-process limiter |
//! | `http` | rate limit headers and problem details, written and read; the client's address behind trusted proxies |
//! | `retry` | how long to wait before a retry, which requests to repeat, and when to send the next one |
#![forbid(unsafe_code)]

mod check;
mod clock;
#[cfg(feature = "engine")]
pub mod engine;
#[cfg(feature = "http")]
pub mod http;
mod most_binding;
#[cfg(feature = "retry")]
pub mod retry;
pub mod script;
mod source;

pub use check::{Check, Checks};
pub use clock::{Clock, ManualTime};
pub use most_binding::most_binding;
pub use source::Source;
