//! For how long to wait before trying again, and whether to.
//!
//! ```
//! use ratelog_client_core::retry::{Idempotency, RetryPolicy};
//! use std::time::{Duration, SystemTime};
//!
//! let mut waits = RetryPolicy::default().waits();
//! let repeatable = Idempotency::of("GET", [("accept", "*/*")]);
//! let repeat = repeatable.after(429_u16, [("retry-after", "2")], SystemTime::now());
//! let wait = waits.next(repeat, Duration::ZERO);
//! assert!(wait >= Some(Duration::from_secs(2)));
//! ```

mod backoff;
mod idempotency;
mod policy;
mod throttle;

pub use crate::http::RetryHint;
pub use backoff::{Backoff, RetryAction, jitter};
pub use idempotency::Idempotency;
pub use policy::RetryPolicy;
pub use throttle::{Admission, ThrottleState};
