//! Retries that wait as long as the server asks for.
//!
//! [`retry`] repeats any operation, and [`until_allowed`] a denied check. Both follow a [`RetryPolicy`]:
//!
//! - A wait that the server gives is never shortened. [`RetryHint`] reads it from `Retry-After`, else from `t` of
//!   `RateLimit`, else from the `X-RateLimit` headers. A random addition keeps clients that were given the same wait
//!   from coming back at the same moment.
//! - If the server gives none, waits grow exponentially, with jitter up to the length of the wait.
//! - The total time is bounded, and the number of retries if the server gives no wait. A wait that does not fit is not begun:
//!   the last response is returned at once.
//!
//! [`Idempotency`] decides which requests to repeat, and after which responses.
//!
//! ```
//! use ratelog_client::retry::{Idempotency, RetryPolicy, retry};
//! use std::time::{Duration, SystemTime};
//!
//! # async fn send(request: http::Request<()>) -> http::Response<&'static str> {
//! #     static TIMES: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
//! #     let times = TIMES.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
//! #     let status = if times == 0 { 429 } else { 200 };
//! #     http::Response::builder().status(status).header("Retry-After", "2").body("hello").unwrap()
//! # }
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let policy = RetryPolicy::default().max_attempts(4).max_total(Duration::from_secs(20));
//! let request = http::Request::get("https://api.example.com/").body(())?;
//! let idempotency = Idempotency::of_request(request.method(), request.headers());
//! let now = SystemTime::now;
//!
//! let outcome = retry(
//!     &policy,
//!     || send(request.clone()),
//!     |response| idempotency.after_response(response.status(), response.headers(), now()),
//! )
//! .await;
//! assert_eq!(outcome.output.status(), 200);
//! assert_eq!(outcome.attempts, 2);
//! assert!(outcome.waited >= Duration::from_secs(2));
//! # Ok(())
//! # }
//! ```
//!
//! # Without `async`
//!
//! [`RetryPolicy::backoff`] needs no runtime: it returns how long to wait, and you sleep.
//!
//! ```
//! use ratelog_client::retry::{RetryHint, Idempotency, RetryPolicy};
//! use std::time::{Instant, SystemTime};
//!
//! # let mut responses = vec![(200, None), (503, None), (429, Some("0"))];
//! # let mut send = || {
//! #     let (status, wait) = responses.pop().unwrap();
//! #     let response = http::Response::builder().status(status);
//! #     wait.into_iter().fold(response, |response, wait| response.header("Retry-After", wait)).body(()).unwrap()
//! # };
//! # let base = std::time::Duration::from_micros(1);
//! let idempotency = Idempotency::Idempotent;
//! let policy = RetryPolicy::default();
//! # let policy = policy.base(base);
//! let (mut backoff, start) = (policy.backoff(), Instant::now());
//! let response = loop {
//!     let response = send();
//!     let (status, headers) = (response.status(), response.headers());
//!     let action = idempotency.after_response(status, headers, SystemTime::now());
//!     match backoff.next(action, start.elapsed()) {
//!         Some(wait) => std::thread::sleep(wait),
//!         None => break response,
//!     }
//! };
//! # assert_eq!(response.status(), 200);
//! ```

mod runner;

pub use ratelog_client_core::retry::{Backoff, Idempotency, RetryAction, RetryHint, RetryPolicy};
#[cfg(feature = "reqwest")]
pub(crate) use runner::Attempts;
pub use runner::{Outcome, retry, until_allowed};
