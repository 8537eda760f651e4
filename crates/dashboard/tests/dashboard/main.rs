//! The dashboard against real servers, one file per subject.
//!
//! `SERVER` names the server's binary (default: `redis-server`), and `RATELOG_MODULE` the module (default: it is
//! built).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod connections;
mod faults;
mod hostile_names;
mod keys;
mod live;
mod metrics;
mod nodes;
#[cfg(feature = "oidc")]
mod oidc;
mod permissions;
mod policies;
mod program;
mod requests;
mod roles;
mod sign_in;
mod support;
