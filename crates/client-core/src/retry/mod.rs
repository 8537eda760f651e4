//! How long to wait before a retry, and whether to retry.
//!
//! ```
//! use ratelog_client_core::retry::{Idempotency, RetryPolicy};
//! use std::time::{Duration, SystemTime};
//!
//! let mut backoff = RetryPolicy::default().backoff();
//! let idempotency = Idempotency::of_request("GET", [("accept", "*/*")]);
//! let now = SystemTime::now();
//! let action = idempotency.after_response(429_u16, [("retry-after", "2")], now);
//! let wait = backoff.next(action, Duration::ZERO);
//! assert!(wait >= Some(Duration::from_secs(2)));
//! ```

mod backoff;
mod idempotency;
mod policy;
mod throttle;

pub use backoff::{Backoff, RetryAction, jitter};
pub use idempotency::Idempotency;
pub use policy::RetryPolicy;
pub use throttle::{Admission, ThrottleState};

pub use crate::http::RetryHint;
