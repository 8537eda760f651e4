//! Exact rate limits from Ratelog, for Rust services.
//!
//! Two ways lead to the module in a Redis or Valkey server:
//!
//! - The traits [`Commands`] and [`AsyncCommands`] give the connections of the [`redis`] crate the module's commands,
//!   with types for what they take and answer.
#![cfg_attr(
    feature = "limiter",
    doc = "- A [`RateLimiter`] has a timeout and a circuit breaker, and decides by itself while the server is away."
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
//! None is on by default: the crate is then the typed commands for blocking connections, over `redis` and
//! Ratelog's own crates alone.
//!
//! | feature | adds |
//! | --- | --- |
//! | `aio` | `AsyncCommands` for the asynchronous connections of `redis` |
//! | `connection-manager` | ... and for its `ConnectionManager` |
//! | `cluster`, `cluster-async` | commands on cluster connections, each sent to the shard, or the shards, it is for |
//! | `limiter` | `RateLimiter`: timeout, circuit breaker, fallback, deny cache; on tokio |
//! | `blocking` | the limiter for callers that do not await |
//! | `sentinel`, `tls` | `redis+sentinel://` and `rediss://` for the limiter; `redis+cluster://` comes with `cluster-async` |
//! | `http` | a decision as `RateLimit` fields, and as a response 429 with problem details |
//! | `tower` | a layer that limits any service of axum, hyper or tonic |
//! | `retry` | waits as long as a response or a decision tells |
//! | `reqwest` | the same as a middleware of `reqwest-middleware`, and one that slows down before a limit |
//! | `serde` | rules as text in configuration files |
#![forbid(unsafe_code)]

pub mod command;
mod connections;
mod decision;
mod error;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "limiter")]
pub mod limiter;
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

pub use decision::{Decision, Source};
pub use error::Error;
#[cfg(feature = "limiter")]
pub use limiter::RateLimiter;
pub use ratelog_client_core::{Check, Checks, Under};
pub use ratelog_core::{Action, Cost, Limit, Mode, Policy, PolicyName, Rule, Rules, Window};
#[cfg(feature = "aio")]
pub use traits::AsyncCommands;
pub use traits::Commands;

/// The examples of the documents that are not the crate's own.
#[cfg(all(doctest, feature = "limiter"))]
#[doc = include_str!("../../../docs/rust.md")]
#[doc = include_str!("../../../README.md")]
struct Documents;
