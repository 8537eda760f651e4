//! Every server behind a URL, for tools that look at each of them: dashboards, exporters, scripts.
//!
//! A [`RateLimiter`](crate::RateLimiter) decides checks, and has a fallback. A [`Deployment`] has none: it finds the
//! primaries and replicas, runs commands on the node that you choose or on the primary of a key, and reports what
//! failed.
//!
//! ```no_run
//! use ratelog_client::command;
//! use ratelog_client::nodes::Deployment;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let deployment = Deployment::new("redis+cluster://127.0.0.1:7000")?;
//! for node in deployment.discover().await?.iter() {
//!     let stats = node.query(&command::stats()).await?;
//!     println!("{} ({:?}): {} checks", node.address(), node.role(), stats.total.checks);
//! }
//! let key_override = deployment.query(&command::get_override("user:42")).await?;
//! # Ok(())
//! # }
//! ```

mod deployment;
mod discovery;
mod link;
mod node;

pub use deployment::Deployment;
pub use node::{Node, Role};
