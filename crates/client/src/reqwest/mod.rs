//! Waiting as a middleware of [`reqwest-middleware`](reqwest_middleware) 0.5, for reqwest 0.13.
//!
//! [`Retry`] sends a request again that was refused or got lost; [`Throttle`] holds one back as long as the server has
//! said that nothing is left. Each is of use alone. Of both, `Retry` goes first: then each of its tries is throttled.
//!
//! ```no_run
//! use ratelog_client::reqwest::{Retry, Throttle};
//! use ratelog_client::retry::{Outcome, Idempotency, RetryPolicy};
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
//!     println!("{} after {} tries and {:?}", response.status(), outcome.tries, outcome.waited);
//! }
//!
//! // The service at the other end knows this request by its number and executes it once.
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
