//! Middleware for [`reqwest-middleware`](reqwest_middleware) 0.5 and reqwest 0.13.
//!
//! [`Retry`] repeats a request that was denied or lost. [`Throttle`] holds a request back while the server has said
//! that nothing remains. You can use each without the other. If you use both, add `Retry` first, so that each attempt
//! is throttled.
//!
//! ```no_run
//! use ratelog_client::reqwest::{Retry, Throttle};
//! use ratelog_client::retry::{Idempotency, Outcome, RetryPolicy};
//! use std::time::Duration;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), reqwest_middleware::Error> {
//! let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new())
//!     .with(Retry::new(RetryPolicy::default().max_total(Duration::from_secs(20))))
//!     .with(Throttle::default())
//!     .build();
//!
//! let response = client.get("https://api.example.com/").send().await?;
//! if let Some(outcome) = response.extensions().get::<Outcome<()>>() {
//!     println!("{} after {} attempts and {:?}", response.status(), outcome.attempts, outcome.waited);
//! }
//!
//! // This service recognizes a repeated order by its number.
//! let order = client.post("https://api.example.com/orders/7").body("2 apples");
//! order.with_extension(Idempotency::Idempotent).send().await?;
//! # Ok(())
//! # }
//! ```

mod retry;
mod throttle;
mod throttle_queue;

pub use retry::Retry;
pub use throttle::Throttle;
