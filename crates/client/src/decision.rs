use std::time::Duration;

#[cfg(feature = "limiter")]
use ratelog_client_core::engine::apply_mode;
#[cfg(feature = "limiter")]
use ratelog_core::Mode;

use crate::Source;

/// The outcome of a check, and its source.
///
/// It reports the binding rule: of a denied check, the rule with the longest wait; of an allowed check, the rule with
/// the least remaining.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the check may be denied: read `allowed()`, or make a denial an error with `into_result()?`"]
pub struct Decision {
    decision: ratelog_core::Decision,
    source: Source,
}

impl Decision {
    pub(crate) const fn new(decision: ratelog_core::Decision, source: Source) -> Self {
        Self { decision, source }
    }

    /// The decision as a policy's mode has it: under a shadow policy a denial is reported as allowed.
    #[cfg(feature = "limiter")]
    pub(crate) fn with_mode(self, mode: Mode) -> Self {
        Self { decision: apply_mode(mode, self.decision), ..self }
    }

    /// Whether the check has recorded units that a refund takes back. An override and a shadow policy allow checks that
    /// record nothing; and units that were just recorded stay for the whole window.
    #[cfg(feature = "limiter")]
    pub(crate) fn is_recorded(&self) -> bool {
        self.allowed()
            && !matches!(self.source, Source::Fallback | Source::DenyCache)
            && self.reset_after() >= self.window()
    }

    /// Whether the check is allowed. If it is, its units are recorded.
    #[must_use]
    pub const fn allowed(&self) -> bool {
        self.decision.allowed
    }

    /// The binding rule's limit, in units.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        self.decision.limit.units()
    }

    /// The units that the binding rule still allows.
    #[must_use]
    pub const fn remaining(&self) -> u64 {
        self.decision.remaining
    }

    /// The shortest wait, in whole milliseconds, after which the same check is allowed if nothing else is recorded.
    ///
    /// Zero if the check is allowed. `None` if it never will be, because its cost exceeds the limit, as it does a limit
    /// of zero, or because an operator denied the key without an end.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.decision.retry_after.map(Duration::from_millis)
    }

    /// The time, in whole milliseconds, until the binding rule's window is empty if nothing else is recorded.
    #[must_use]
    pub const fn reset_after(&self) -> Duration {
        Duration::from_millis(self.decision.reset_after)
    }

    /// The binding rule's window.
    #[must_use]
    pub const fn window(&self) -> Duration {
        Duration::from_millis(self.decision.window.millis())
    }

    /// The part of the system that made the decision.
    #[must_use]
    pub const fn source(&self) -> Source {
        self.source
    }

    /// The decision as a type of the core crate, with times in milliseconds.
    #[must_use]
    pub const fn as_core(&self) -> &ratelog_core::Decision {
        &self.decision
    }
}
