//! A [tower](https://docs.rs/tower) layer that limits the requests of any HTTP service of axum, hyper or tonic.
//!
//! You give a [`RateLimitLayer`] the [`RouteLimits`] to apply and a function that returns the [`Key`] of a request. It
//! adds rate limit headers to responses, and responds to denied requests with 429.
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
//! // The address of the peer, which axum adds to the request.
//! fn peer(request: &request::Parts) -> Option<IpAddr> {
//!     request.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let limiter = RateLimiter::connect("memory://").await?;
//!
//! // By client address, behind a load balancer in 10.0.0.0/8:
//! let proxies = TrustedProxies::x_forwarded_for(["10.0.0.0/8"])?;
//! let by_address =
//!     RateLimitLayer::new(limiter.clone(), "100/minute".parse::<RouteLimits>()?, key::client(proxies, peer));
//!
//! // By API key, or by peer address if the request has none:
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
//! A key has one log, regardless of the rules of its checks. To count routes separately, give each a
//! [`key_prefix`](RouteLimits::key_prefix).
//!
//! # Requirements
//!
//! The service must be [`Clone`], because each request waits for its decision with a ready clone. The data of response
//! bodies must be [`Bytes`](bytes::Bytes), as in axum, hyper and tonic. Request bodies can be of any type; the layer
//! does not read them.

mod applied_limits;
mod body;
mod check_error;
mod denial;
mod future;
pub mod key;
mod layer;
mod request_checks;
mod responses;
mod route_limits;
mod service;
mod settings;

pub use body::{BoxError, ResponseBody};
pub use check_error::{CheckError, OnCheckError};
pub use denial::Denial;
pub use future::ResponseFuture;
pub use key::{IntoKey, Key};
pub use layer::RateLimitLayer;
pub use ratelog_client_core::http::{
    NetworkError, ProxyHeader, TrustedProxies, UnknownProxyHeader, client_network,
};
pub use request_checks::RequestChecks;
pub use route_limits::RouteLimits;
pub use service::RateLimitService;
