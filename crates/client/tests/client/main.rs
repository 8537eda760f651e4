//! The client against real servers: one file per subject.
//!
//! `SERVER` names the server's binary (`redis-server` otherwise), `RATELOG_MODULE` the module (built otherwise).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod backend;
mod blocking;
mod commands;
mod commands_cluster;
mod deny_cache;
mod failover;
mod fallback;
mod load;
mod permissions;
mod retry;
mod script;
mod support;
mod targets;
mod tls;
mod tower;
mod unavailable;
