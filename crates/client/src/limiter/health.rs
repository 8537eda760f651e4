use std::time::SystemTime;

use ratelog_client_core::engine::{BreakerState, BreakerStatus};

/// The state of a limiter's connection to its server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// The circuit breaker's state. A limiter without a server is always closed.
    pub state: BreakerState,
    /// The time since which the server is available ([`BreakerState::Closed`]) or unavailable (the other states).
    pub since: SystemTime,
    /// The most recent error of a check or a probe, no matter how long ago.
    pub last_error: Option<String>,
    /// How many times the breaker opened.
    pub opened: u64,
    /// Whether the script makes the checks: because the server does not have the module, or because you chose
    /// [`Backend::Script`](super::Backend::Script).
    pub uses_script: bool,
    /// Whether the server reports keys that anybody changes, so that the deny cache drops their denials at once.
    pub tracking: bool,
    /// Checks that the server did not answer in time while the breaker was closed. The fallback decided them.
    pub unanswered: u64,
}

impl Health {
    pub(super) fn of_server(
        status: BreakerStatus,
        uses_script: bool,
        tracking: bool,
        unanswered: u64,
    ) -> Self {
        let BreakerStatus { state, since, last_error, opened } = status;
        Self { state, since, last_error, opened, uses_script, tracking, unanswered }
    }

    pub(super) const fn without_server(since: SystemTime) -> Self {
        Self {
            state: BreakerState::Closed,
            since,
            last_error: None,
            opened: 0,
            uses_script: false,
            tracking: false,
            unanswered: 0,
        }
    }
}
