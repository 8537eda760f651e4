//! Decides a check from its rules, the key's log and the key's override. The result is a [`Decision`].

mod evaluate;
mod evaluation;
mod explanation;
mod rule_state;

pub use evaluate::{check, decide, peek};
pub use evaluation::{DecidedBy, Evaluation};
pub use explanation::Explanation;

use crate::{Limit, Window};

/// The outcome of a check, described by its binding rule.
///
/// If the check is denied, the binding rule is the one with the longest retry-after. If it is allowed, the binding rule
/// is the one with the least remaining. The first rule wins a tie. Durations are whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decision {
    /// Whether every rule allows the check.
    pub allowed: bool,
    /// The binding rule's limit.
    pub limit: Limit,
    /// The units that the binding rule still allows.
    pub remaining: u64,
    /// Milliseconds after which the same check is allowed if nothing else is recorded. `Some(0)` if it is allowed now,
    /// and `None` if it will never be allowed because its cost exceeds the limit. Every cost exceeds a limit of zero.
    pub retry_after: Option<u64>,
    /// Milliseconds until the binding rule's window is empty if nothing else is recorded, or 0 if it is empty now.
    pub reset_after: u64,
    /// The binding rule's window.
    pub window: Window,
}
