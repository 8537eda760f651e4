//! Decides a check: its rules, the key's log and the key's override give a [`Decision`].

mod evaluate;
mod evaluation;
mod rule_state;

pub use evaluate::{check, decide, peek};
pub use evaluation::{DecidedBy, Evaluation};

use crate::{Limit, Window};

/// The outcome of a check, described by its binding rule.
///
/// The binding rule is the one with the longest retry-after if the check is denied, and the one with the least
/// remaining if it is allowed. The first given wins a tie. Spans are whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decision {
    /// Whether every rule allows the check.
    pub allowed: bool,
    /// The binding rule's limit.
    pub limit: Limit,
    /// Units that the binding rule still allows.
    pub remaining: u64,
    /// Milliseconds after which the same check is allowed if nothing else is recorded: `Some(0)` if it is allowed
    /// now, `None` if it never will be because its cost exceeds the limit.
    pub retry_after: Option<u64>,
    /// Milliseconds until the binding rule's window is empty if nothing else is recorded; 0 if it is empty now.
    pub reset_after: u64,
    /// The binding rule's window.
    pub window: Window,
}
