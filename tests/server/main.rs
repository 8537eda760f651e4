//! Tests the module on real servers: one folder for each subject.
//!
//! `SERVER` is the server's binary (default: `redis-server`), `RATELOG_MODULE` the module (default: it is built), and
//! `RATELOG_TEST_TIMEOUT_FACTOR` multiplies all timeouts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(
    clippy::format_collect,
    clippy::format_push_string,
    reason = "commands are short, and easier to read when they are formatted like this"
)]

use ratelog_test_support as support;

mod cluster;
mod commands;
mod documents;
mod overrides;
mod persistence;
mod policies;
mod protocol;
mod replication;
