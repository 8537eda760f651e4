//! Shared by all tests: real servers, clients, and functions that wait for conditions. Benchmarks use the
//! samples.

mod checks;
mod client;
mod cluster;
mod cluster_client;
mod cluster_view;
mod counts;
mod dataset;
mod decision;
mod events;
mod expiry;
mod failover;
mod load;
mod operator_state;
mod oracle;
mod overrides;
mod paths;
mod policies;
mod random;
mod raw;
mod samples;
mod sentinel;
mod server;
mod server_version;
mod settings;
mod stream;
mod wait;
mod writer;

pub mod payload;

pub use checks::Checks;
pub use client::Client;
pub use cluster::Cluster;
pub use cluster_client::ClusterClient;
pub use counts::{Counts, counts, denied_by_rule};
pub use dataset::{assert_same_dataset, dataset, wait_until_in_step};
pub use decision::Decision;
pub use events::Events;
pub use expiry::MAX_EXPIRY_DELAY_MS;
pub use failover::Failover;
pub use load::Load;
pub use operator_state::OperatorState;
pub use oracle::{Oracle, Rule};
pub use overrides::{OverrideInfo, field};
pub use policies::{policies, set_policies};
pub use random::Random;
pub use raw::Raw;
pub use samples::Samples;
pub use sentinel::Sentinels;
pub use server::{Server, Stop};
pub use server_version::ServerVersion;
pub use settings::Module;
pub use stream::stream_of;
pub use wait::{scaled_timeout, until};
pub use writer::{Mix, Writer};
