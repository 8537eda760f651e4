use std::time::SystemTime;

use ratelog_client_core::{BreakerStatus, State};

/// How a limiter gets on with its server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// The circuit breaker's state. A limiter of this process alone is always closed.
    pub state: State,
    /// Since when the server is there ([`State::Closed`]), or away (the others).
    pub since: SystemTime,
    /// The last error of a check or a probe, even if it is long over.
    pub last_error: Option<String>,
    /// How often the server went away.
    pub opened: u64,
    /// Whether checks are made by the script, because the server has no module, or because the limiter was told so.
    pub uses_script: bool,
    /// Whether the server tells of keys that anybody changes, so that the deny cache forgets them at once.
    pub tracks: bool,
}

impl Health {
    /// That of a limiter whose server has this history.
    pub(super) fn of(history: BreakerStatus, uses_script: bool, tracks: bool) -> Self {
        let BreakerStatus { state, since, last_error, opened } = history;
        Self { state, since, last_error, opened, uses_script, tracks }
    }

    /// That of a limiter without a server.
    pub(super) const fn alone(since: SystemTime) -> Self {
        Self {
            state: State::Closed,
            since,
            last_error: None,
            opened: 0,
            uses_script: false,
            tracks: false,
        }
    }
}
