use std::time::Duration;

#[cfg(feature = "limiter")]
use ratelog_client_core::apply_mode;
#[cfg(feature = "limiter")]
use ratelog_core::Mode;

/// The outcome of a check, told of its binding rule, and who came to it.
///
/// The binding rule is, when the check is denied, the one with the longest wait; when it is allowed, the one with the
/// least remaining.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    decided: ratelog_core::Decision,
    source: Source,
}

/// Who came to a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// The module in the server.
    Module,
    /// The script, in a server without the module.
    Script,
    /// A denial of the server's that still holds, remembered in this process.
    DenyCache,
    /// The limiter in this process: because there is no other, or in place of a server that is away.
    Local,
    /// Nobody: the server is away, and such checks are allowed or denied outright.
    Fallback,
}

impl Decision {
    pub(crate) const fn new(decided: ratelog_core::Decision, source: Source) -> Self {
        Self { decided, source }
    }

    /// As it is told under a policy of this mode: what rules on trial deny is answered as allowed.
    #[cfg(feature = "limiter")]
    pub(crate) fn under(self, mode: Mode) -> Self {
        Self { decided: apply_mode(mode, self.decided), ..self }
    }

    /// Whether the check passed, and its units are recorded.
    #[must_use]
    pub const fn allowed(&self) -> bool {
        self.decided.allowed
    }

    /// The binding rule's limit, in units.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        self.decided.limit.units()
    }

    /// The units that the binding rule would still let through.
    #[must_use]
    pub const fn remaining(&self) -> u64 {
        self.decided.remaining
    }

    /// The least wait, in whole milliseconds, after which the same check passes if nothing else is recorded: zero if
    /// it passed, `None` if it never will, because its cost exceeds the limit or an operator denied the key for good.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.decided.retry_after.map(Duration::from_millis)
    }

    /// The time until the binding rule's window is empty if nothing else is recorded.
    #[must_use]
    pub const fn reset_after(&self) -> Duration {
        Duration::from_millis(self.decided.reset_after)
    }

    /// The binding rule's window.
    #[must_use]
    pub const fn window(&self) -> Duration {
        Duration::from_millis(self.decided.window.millis())
    }

    /// Who came to it.
    #[must_use]
    pub const fn source(&self) -> Source {
        self.source
    }

    /// The decision in the words of the core crate, spans in milliseconds.
    #[must_use]
    pub const fn as_core(&self) -> &ratelog_core::Decision {
        &self.decided
    }
}
