//! The sliding-window log and the decision behind Ratelog.
//!
//! This crate contains the code that must be the same everywhere a check is decided: the [`Log`] of one key, the
//! [`Rules`] of a check, and the [`Decision`] that they give at an [`Instant`]. It has no server, no clock and no I/O:
//! you pass the time.
//!
//! ```
//! use ratelog_core::{Cost, Instant, Limit, Log, Rule, Rules, Window, check};
//!
//! let rule = Rule::new(Limit::new(2), Window::from_millis(1_000).unwrap());
//! let rules = Rules::new([rule]).unwrap();
//! let now = Instant::from_unix_millis(1_700_000_000_000).unwrap();
//!
//! let mut log = Log::new();
//! assert_eq!(check(&mut log, now, &rules, Cost::ONE).remaining, 1);
//! assert_eq!(check(&mut log, now, &rules, Cost::ONE).remaining, 0);
//! let denied = check(&mut log, now, &rules, Cost::ONE);
//! assert!(!denied.allowed);
//! assert_eq!(denied.retry_after, Some(1_000));
//! ```
#![forbid(unsafe_code)]

mod cost;
mod decimal;
mod decision;
mod instant;
mod limit;
#[cfg(feature = "limiter")]
pub mod limiter;
mod log;
mod r#override;
mod policy;
mod rule;
mod rule_source;
#[cfg(feature = "text")]
mod text;
mod unit;
mod window;
pub mod wire;

pub use cost::{Cost, CostOutOfRange};
pub use decimal::parse as parse_decimal;
pub use decision::{DecidedBy, Decision, Evaluation, Explanation, check, decide, peek};
pub use instant::Instant;
pub use limit::Limit;
pub use log::{Hit, Log, SnapshotError, View};
pub use r#override::{Action, Override};
pub use policy::{Mode, ParsePolicyNameError, Policy, PolicyName};
pub use rule::{Rule, Rules, TooManyRules};
pub use rule_source::{OwnedRuleSource, ResolvedRules, RuleSource};
#[cfg(feature = "text")]
pub use text::ParseRulesError;
pub use window::Window;
