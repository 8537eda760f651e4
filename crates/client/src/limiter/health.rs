use std::time::SystemTime;

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

/// A circuit breaker's states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The server is asked.
    Closed,
    /// It is not: the fallback answers.
    Open,
    /// It is not, but a probe is on its way.
    HalfOpen,
}

impl Health {
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

impl State {
    pub(super) const fn of(number: u8) -> Self {
        if number == Self::Closed as u8 {
            Self::Closed
        } else if number == Self::HalfOpen as u8 {
            Self::HalfOpen
        } else {
            Self::Open
        }
    }
}
