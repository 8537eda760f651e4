//! Polls the nodes once a second, whatever the number of open pages.

mod node_info;
mod node_poll;
mod node_record;
mod node_status;
mod observations;
mod override_count;
mod policy_map;
mod policy_rates;
mod poller;
mod problem;
mod progress;
mod snapshot;

pub use node_status::{NodeState, NodeStatus};
pub use policy_rates::RuleDenials;
pub use poller::Poller;
pub use problem::Problem;
pub use snapshot::Snapshot;

/// The seconds over which the rates of a snapshot are taken.
const RATE_SECONDS: u64 = 5;
