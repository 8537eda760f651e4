//! What HTTP requests and responses say: limits, waits, and whose request it is.
//!
//! A [`RetryHint`] reads what a response says about limits. To write it, [`NamedRules`] tell what a route's rules are called, and a
//! [`HeaderFamily`] which fields tell of them.
//!
//! ```
//! use ratelog_client_core::http::{HeaderFamily, NamedRules, fields, problem};
//! use ratelog_core::{Decision, Limit, Rule, Rules, Window};
//!
//! let minute = Rule::new(Limit::new(100).unwrap(), Window::from_millis(60_000).unwrap());
//! let limits = NamedRules::named(&Rules::one(minute), ["burst"])?;
//! let denied = Decision {
//!     allowed: false,
//!     limit: minute.limit(),
//!     remaining: 0,
//!     retry_after: Some(4_200),
//!     reset_after: 59_000,
//!     window: minute.window(),
//! };
//! let told = fields(HeaderFamily::Draft11, &limits, &denied);
//! assert_eq!(told[0], ("ratelimit-policy", r#""burst";q=100;w=60"#.into()));
//! assert_eq!(told[1], ("ratelimit", r#""burst";r=0;t=5"#.into()));
//! assert_eq!(told[2], ("retry-after", "5".into()));
//! assert!(problem(&limits, &denied).contains(r#""violated-policies":["burst"]"#));
//! # Ok::<(), ratelog_client_core::http::NameError>(())
//! ```

mod address;
mod forwarded;
mod header_family;
mod headers;
mod limit_set;
mod named_rules;
mod problem;
mod ratelimit_field;
mod retry_after;
mod retry_hint;
#[cfg(test)]
mod tests;
mod trusted_proxies;

pub use address::client_network;
pub use header_family::{HeaderFamily, UnknownHeaderFamily};
pub use headers::{Field, fields, names, retry_after};
pub use limit_set::LimitSet;
pub use named_rules::{NameError, NamedRules};
pub use problem::{PROBLEM_JSON, QUOTA_EXCEEDED, problem};
pub use retry_hint::RetryHint;
pub use trusted_proxies::{NetworkError, TrustedProxies};
