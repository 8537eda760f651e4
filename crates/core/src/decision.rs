use crate::{Limit, Window};

/// The outcome of a check, told of its binding rule.
///
/// The binding rule is, when the check is denied, the one with the longest retry-after; when it is
/// allowed, the one with the least remaining. The first given wins a tie. Spans are whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decision {
    /// Whether every rule lets the check pass.
    pub allowed: bool,
    /// The binding rule's limit.
    pub limit: Limit,
    /// Units that the binding rule would still let through.
    pub remaining: u64,
    /// Milliseconds after which the same check passes if nothing else is recorded: `Some(0)` if it passes
    /// now, `None` if it never will because its cost exceeds the limit.
    pub retry_after: Option<u64>,
    /// Milliseconds until the binding rule's window is empty if nothing else is recorded; 0 if it is now.
    pub reset_after: u64,
    /// The binding rule's window.
    pub window: Window,
}
