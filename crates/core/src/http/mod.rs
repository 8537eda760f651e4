//! What HTTP responses say about limits.
//!
//! A [`Hint`] reads it. To write it, [`Limits`] tell what a route's rules are called, and a [`Family`] which fields tell
//! of them:
//!
//! ```
//! use ratelog_core::http::{Family, Limits, fields, problem};
//! use ratelog_core::{Decision, Limit, Rule, Rules, Window};
//!
//! let minute = Rule::new(Limit::new(100).unwrap(), Window::from_millis(60_000).unwrap());
//! let limits = Limits::named(&Rules::one(minute), ["burst"])?;
//! let denied = Decision {
//!     allowed: false,
//!     limit: minute.limit(),
//!     remaining: 0,
//!     retry_after: Some(4_200),
//!     reset_after: 59_000,
//!     window: minute.window(),
//! };
//! let told = fields(Family::Draft11, &limits, &denied);
//! assert_eq!(told[0], ("ratelimit-policy", r#""burst";q=100;w=60"#.into()));
//! assert_eq!(told[1], ("ratelimit", r#""burst";r=0;t=5"#.into()));
//! assert_eq!(told[2], ("retry-after", "5".into()));
//! assert!(problem(&limits, &denied).contains(r#""violated-policies":["burst"]"#));
//! # Ok::<(), ratelog_core::http::NameError>(())
//! ```

mod family;
mod fields;
mod hint;
mod limits;
mod problem;
mod quota;
#[cfg(test)]
mod tests;
mod told;
mod when;

pub use family::{Family, UnknownFamily};
pub use fields::{Field, fields, names, retry_after};
pub use hint::Hint;
pub use limits::{Limits, NameError};
pub use problem::{PROBLEM_JSON, QUOTA_EXCEEDED, problem};
pub use told::Told;
