//! Waiting for as long as one is told, and trying again.
//!
//! [`retry`] repeats anything that may be repeated, [`until_allowed`] a check that is denied. Both wait in the ways
//! and within the bounds of a [`RetryPolicy`]:
//!
//! - A wait that was told (`Retry-After`, else `RateLimit`'s `t`, else the older `X-RateLimit` fields: see [`RetryHint`])
//!   is never cut short. It is lengthened a little, at random, because all who were told the same would come back
//!   in the same moment.
//! - Where nothing is told, waits grow exponentially, with as much jitter as wait.
//! - There is a bound on tries, on a single wait, and on the time that all of it may take. What does not fit is not
//!   begun: the last answer is returned at once, rather than after a wait for nothing.
//!
//! Which requests may be repeated, and after which answers, is for [`Idempotency`] to say.
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
//! let policy = RetryPolicy::default().max_tries(4).max_total(Duration::from_secs(20));
//! let request = http::Request::get("https://api.example.com/").body(())?;
//! let repeatable = Idempotency::of(request.method(), request.headers());
//!
//! let outcome = retry(
//!     &policy,
//!     || send(request.clone()),
//!     |answer| repeatable.after(answer.status(), answer.headers(), SystemTime::now()),
//! )
//! .await;
//! assert_eq!(outcome.answer.status(), 200);
//! assert_eq!(outcome.tries, 2);
//! assert!(outcome.waited >= Duration::from_secs(2));
//! # Ok(())
//! # }
//! ```
//!
//! # Without `async`
//!
//! [`RetryPolicy::waits`] knows no runtime and no clock: it tells how long to wait, and the caller sleeps.
//!
//! ```
//! use ratelog_client::retry::{RetryHint, Idempotency, RetryPolicy};
//! use std::time::{Instant, SystemTime};
//!
//! # let mut answers = vec![(200, None), (503, None), (429, Some("0"))];
//! # let mut send = || {
//! #     let (status, told) = answers.pop().unwrap();
//! #     let answer = http::Response::builder().status(status);
//! #     told.into_iter().fold(answer, |answer, told| answer.header("Retry-After", told)).body(()).unwrap()
//! # };
//! # let base = std::time::Duration::from_micros(1);
//! let repeatable = Idempotency::Idempotent;
//! let policy = RetryPolicy::default();
//! # let policy = policy.base(base);
//! let (mut waits, start) = (policy.waits(), Instant::now());
//! let answer = loop {
//!     let answer = send();
//!     let repeat = repeatable.after(answer.status(), answer.headers(), SystemTime::now());
//!     match waits.next(repeat, start.elapsed()) {
//!         Some(wait) => std::thread::sleep(wait),
//!         None => break answer,
//!     }
//! };
//! # assert_eq!(answer.status(), 200);
//! ```

mod runner;

pub use ratelog_client_core::retry::{Backoff, Idempotency, RetryAction, RetryHint, RetryPolicy};
#[cfg(feature = "reqwest")]
pub(crate) use runner::Tries;
pub use runner::{Outcome, retry, until_allowed};
