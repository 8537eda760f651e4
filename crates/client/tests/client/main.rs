//! The client against real servers, one file per subject.
//!
//! `SERVER` names the server's binary (default: `redis-server`), and `RATELOG_MODULE` the module (default: it is
//! built).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod backend;
mod blocking;
mod check_all;
mod commands;
mod commands_cluster;
mod deny_cache;
mod failover;
mod fallback;
mod limiter_cases;
mod load;
mod log;
mod metrics;
mod nodes;
mod pace;
mod permissions;
mod proxy;
mod reqwest;
mod script;
mod scripted_server;
mod shards;
mod support;
mod targets;
mod tls;
mod tower;
mod unavailable;
mod until_allowed;
