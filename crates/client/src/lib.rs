//! Exact rate limits from Ratelog, for Rust services.
//!
//! There are two ways to check limits in a Redis or Valkey server:
//!
//! - The traits [`Commands`] and [`AsyncCommands`] add typed commands to the connections of the [`redis`] crate.
#![cfg_attr(
    feature = "limiter",
    doc = "- A [`RateLimiter`] adds a timeout, a circuit breaker and a fallback: it keeps enforcing exact limits while the server is down."
)]
//!
//! ```no_run
//! use ratelog_client::{Commands, Rules};
//!
//! let rules: Rules = "10/second; 1000/hour".parse()?;
//! let mut db = redis::Client::open("redis://127.0.0.1/")?.get_connection()?;
//! let decision = db.rl_check("user:42", &rules)?;
//! if !decision.allowed() {
//!     println!("try again in {:?}", decision.retry_after());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! No feature is on by default. The crate is then the typed commands for blocking connections, over `redis` and
//! Ratelog's own crates.
//!
//! | feature | adds |
//! | --- | --- |
//! | `aio` | `AsyncCommands` for the asynchronous connections of `redis` |
//! | `connection-manager` | `AsyncCommands` for its `ConnectionManager` |
//! | `cluster`, `cluster-async` | commands on cluster connections, each sent to the shard or the shards that it is for |
//! | `limiter` | `RateLimiter`: timeout, circuit breaker, fallback, deny cache; on tokio |
//! | `blocking` | a `RateLimiter` for callers that do not await |
//! | `nodes` | `nodes::Deployment`: each server behind a URL, for dashboards and other tools |
//! | `sentinel`, `tls` | `redis+sentinel://` and `rediss://` for the limiter, which needs no feature for `redis+cluster://` |
//! | `axum` | keys by axum's routes and addresses, for the tower layer |
//! | `metrics` | counters and durations of checks |
//! | `http` | rate limit headers for a decision, and a 429 response with problem details |
//! | `tower` | a layer that limits the requests of any service of axum, hyper or tonic |
//! | `retry` | retries that wait as long as a response or a decision asks for |
//! | `reqwest` | the same as a middleware for `reqwest-middleware`, and a client-side throttle |
//! | `serde` | rules as text in configuration files |
#![forbid(unsafe_code)]

pub mod command;
mod connections;
mod decision;
mod decisions;
mod denied;
mod error;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "limiter")]
pub mod limiter;
#[cfg(feature = "nodes")]
pub mod nodes;
mod reply;
#[cfg(feature = "reqwest")]
pub mod reqwest;
#[cfg(feature = "retry")]
pub mod retry;
#[cfg(feature = "limiter")]
pub mod script;
#[cfg(feature = "tower")]
pub mod tower;
mod traits;

pub use decision::Decision;
pub use decisions::Decisions;
pub use denied::{Allowed, Denied};
pub use error::Error;
#[cfg(feature = "limiter")]
pub use limiter::RateLimiter;
pub use ratelog_client_core::{Check, Checks, Source};
pub use ratelog_core::{
    Action, Cost, CostOutOfRange, DecidedBy, Limit, Mode, Policy, PolicyName, Rule, RuleSource,
    Rules, Window,
};
pub use redis;
#[cfg(feature = "aio")]
pub use traits::AsyncCommands;
pub use traits::Commands;

/// The examples in the documentation outside of this crate.
#[cfg(all(doctest, feature = "limiter"))]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../../../docs/rust.md")]
#[doc = include_str!("../../../README.md")]
struct Documents;
