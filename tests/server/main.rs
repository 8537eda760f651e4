//! Tests the module on real servers. Each folder covers one subject.
//!
//! `SERVER` is the server's binary (default: `redis-server`). `RATELOG_MODULE` is the module (default: the
//! tests build it). `RATELOG_TEST_TIMEOUT_FACTOR` multiplies all timeouts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(
    clippy::format_collect,
    clippy::format_push_string,
    reason = "short commands are easier to read in this form"
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
