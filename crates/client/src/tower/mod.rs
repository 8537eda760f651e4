//! A [tower](https://docs.rs/tower) layer that limits the requests of any HTTP service: of axum, hyper or tonic.
//!
//! A [`RateLimitLayer`] is told what a request is counted under, its [`Key`], and what limits it, its [`RouteLimits`]. It adds
//! the `RateLimit` fields to responses, and answers requests that are denied by itself, with 429.
//!
//! ```
//! use std::net::IpAddr;
//!
//! use axum::Router;
//! use axum::routing::get;
//! use http::{HeaderName, request};
//! use ratelog_client::tower::{RateLimitLayer, RouteLimits, TrustedProxies, key};
//! use ratelog_client::RateLimiter;
//! # use std::net::SocketAddr;
//! # use axum::extract::ConnectInfo;
//!
//! // The address of whoever is at the other end of the connection.
//! fn peer(request: &request::Parts) -> Option<IpAddr> {
//!     request.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let limiter = RateLimiter::connect("memory://").await?;
//!
//! // By address, behind a load balancer in 10.0.0.0/8:
//! let proxies = TrustedProxies::x_forwarded_for(["10.0.0.0/8"])?;
//! let by_address =
//!     RateLimitLayer::new(limiter.clone(), "100/minute".parse::<RouteLimits>()?, key::client(proxies, peer));
//!
//! // By API key, and by address for requests that have none:
//! let uploads = "5/second; 100/hour".parse::<RouteLimits>()?.key_prefix("upload:");
//! let api_key = HeaderName::from_static("x-api-key");
//! let by_api_key = RateLimitLayer::new(limiter, uploads, key::header(api_key, key::peer(peer)));
//!
//! let app: Router = Router::new()
//!     .route("/upload", get(|| async { "uploaded" }).layer(by_api_key))
//!     .layer(by_address);
//! # Ok(())
//! # }
//! ```
//!
//! # Keys and routes
//!
//! All units of one key are in one log, whatever rules they were checked under. Where routes are to be counted apart,
//! give each a [`key_prefix`](RouteLimits::key_prefix).
//!
//! # What the layer needs of the service
//!
//! It is cloned for each request, as is usual: a clone that is ready waits for the decision, and is called or dropped.
//! The data of its response bodies is [`Bytes`](bytes::Bytes), as it is in axum, hyper and tonic. Requests may have any
//! body; it is not looked at.

mod body;
mod check_error;
mod future;
pub mod key;
mod layer;
mod responses;
mod route_limits;
mod service;

pub use body::ResponseBody;
pub use check_error::{CheckError, OnFailure};
pub use future::ResponseFuture;
pub use key::Key;
pub use layer::{Denial, RateLimitLayer};
pub use ratelog_client_core::http::{NetworkError, TrustedProxies};
pub use route_limits::RouteLimits;
pub use service::RateLimitService;
