//! The module against real servers: one file per subject.
//!
//! `SERVER` names the server's binary (`redis-server` otherwise), `RATELOG_MODULE` the module
//! (built otherwise), `RATELOG_TEST_PATIENCE` how many times longer than usual to wait.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(
    clippy::format_collect,
    clippy::format_push_string,
    reason = "commands are short, and plainer when they are put together like this"
)]

use ratelog_test_support as support;

mod acl;
mod aof;
mod aof_crash;
mod arguments;
mod cases;
mod check;
mod clock_step;
mod cluster;
mod concurrency;
mod corrupt;
mod defrag;
mod differential;
mod docs;
mod effects;
mod events;
mod example_conf;
mod expiry;
mod failover;
mod help;
mod hostile_effects;
mod inspect;
mod keyspace;
mod keywords;
mod lazy_replication;
mod mcheck;
mod mcheck_differential;
mod mcheck_effects;
mod memory;
mod operations;
mod r#override;
mod override_arguments;
mod override_cluster;
mod override_corrupt;
mod override_differential;
mod override_lifetime;
mod override_list;
mod override_list_replica;
mod override_listing;
mod override_persistence;
mod override_transactions;
mod partition;
mod peek;
mod policy;
mod policy_aof;
mod policy_differential;
mod policy_json;
mod policy_json_hostile;
mod policy_persistence;
mod policy_replication;
mod protocol;
mod rdb;
mod refund;
mod registration;
mod replica;
mod reset;
mod resharding;
mod roles;
mod rules;
mod scripts;
mod sentinel;
mod settings;
mod sliding;
mod stats;
mod top;
mod transactions;
