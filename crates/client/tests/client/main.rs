//! The client against real servers: one file per subject.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[cfg(feature = "limiter")]
mod script;
#[cfg(feature = "reqwest")]
mod waiting;
