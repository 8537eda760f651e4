//! A limiter that keeps enforcing limits while its server is unavailable.

mod asking;
#[cfg(feature = "blocking")]
pub mod blocking;
mod builder;
mod check_all;
mod check_op;
mod cluster;
mod connection;
pub(crate) mod connector;
pub(crate) mod deadline;
mod dialect;
mod engine;
mod failovers;
mod fallback;
mod health;
mod local;
mod log_interval;
mod measurement;
mod multi_check_op;
mod operation;
mod outage_log;
mod pace;
mod probe;
mod rate_limiter;
pub(crate) mod redirect;
mod relapses;
mod remote;
pub(crate) mod seeds;
mod servers;
pub(crate) mod target;
pub(crate) mod topology;
mod unanswered_log;

pub use builder::Builder;
#[cfg(feature = "tower")]
pub(crate) use check_all::OnRejection;
pub use connection::Connection;
pub use fallback::{Backend, Fallback};
pub use health::{Health, ShardHealth};
pub use pace::Pace;
pub use rate_limiter::RateLimiter;
pub use ratelog_client_core::engine::BreakerState;
