//! For how long to wait before trying again, and whether to.
//!
//! ```
//! use ratelog_caller::retry::{Repeatable, RetryPolicy};
//! use std::time::{Duration, SystemTime};
//!
//! let mut waits = RetryPolicy::default().waits();
//! let repeatable = Repeatable::of("GET", [("accept", "*/*")]);
//! let repeat = repeatable.after(429_u16, [("retry-after", "2")], SystemTime::now());
//! let wait = waits.next(repeat, Duration::ZERO);
//! assert!(wait >= Some(Duration::from_secs(2)));
//! ```

mod lane;
mod policy;
mod repeatable;
mod waits;

pub use lane::{Lane, Turn};
pub use policy::RetryPolicy;
pub use ratelog_core::http::Hint;
pub use repeatable::Repeatable;
pub use waits::{Repeat, Waits, spread};
