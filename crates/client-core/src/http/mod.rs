//! Rate limit headers and problem details, and the client's address behind proxies.
//!
//! [`NamedRules`] and a [`HeaderFamily`] determine the headers of a response. [`LimitSet`] is for a response that
//! several limits apply to. A client reads the headers with [`RetryHint`].
//!
//! ```
//! use ratelog_client_core::Source;
//! use ratelog_client_core::http::{HeaderFamily, NamedRules, headers, problem};
//! use ratelog_core::{Decision, Limit, Rule, Rules, Window};
//! use std::time::SystemTime;
//!
//! let minute = Rule::new(Limit::new(100), Window::from_millis(60_000).unwrap());
//! let rules = NamedRules::new(&Rules::one(minute), ["burst"])?;
//! let denied = Decision {
//!     allowed: false,
//!     limit: minute.limit(),
//!     remaining: 0,
//!     retry_after: Some(4_200),
//!     reset_after: 59_000,
//!     window: minute.window(),
//! };
//! let source = Source::Module;
//! let headers = headers(HeaderFamily::Draft11, &rules, &denied, source, SystemTime::now());
//! assert_eq!(headers[0], ("ratelimit-policy", r#""burst";q=100;w=60"#.into()));
//! assert_eq!(headers[1], ("ratelimit", r#""burst";r=0;t=5"#.into()));
//! assert_eq!(headers[2], ("retry-after", "5".into()));
//! assert!(problem(&rules, &denied, source).contains(r#""violated-policies":["burst"]"#));
//! # Ok::<(), ratelog_client_core::http::NameError>(())
//! ```

mod binding_rules;
mod client_network;
mod forwarded;
mod header_family;
mod headers;
mod integer;
mod limit_set;
mod named_rules;
mod network;
mod problem;
mod proxy_header;
mod ratelimit_field;
mod retry_after;
mod retry_hint;
#[cfg(test)]
mod tests;
mod trusted_proxies;

pub use client_network::client_network;
pub use header_family::{HeaderFamily, UnknownHeaderFamily};
pub use headers::{Header, headers, names, retry_after_seconds};
pub use limit_set::LimitSet;
pub use named_rules::{NameError, NamedRules};
pub use network::NetworkError;
pub use problem::{PROBLEM_JSON, QUOTA_EXCEEDED, problem};
pub use proxy_header::{ProxyHeader, UnknownProxyHeader};
pub use retry_hint::RetryHint;
pub use trusted_proxies::TrustedProxies;
