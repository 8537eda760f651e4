use std::num::NonZeroU32;

/// What becomes of a check while the server is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fallback {
    /// It is decided in this process, by the same rules and as exactly. The logs begin empty, and are this process's
    /// own: of a limit, each of `instances` processes grants an equal share, rounded down, and at least one unit.
    Local {
        /// Among how many processes a limit is shared; 1 if each grants the whole.
        instances: NonZeroU32,
    },
    /// It is allowed.
    Allow,
    /// It is denied.
    Deny,
    /// The caller gets the error.
    Error,
}

impl Default for Fallback {
    /// Decided in this process, by the whole limit.
    fn default() -> Self {
        Self::Local { instances: NonZeroU32::MIN }
    }
}

/// What answers checks in the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend {
    /// The module; where a server does not know its commands, the script, until the next connection.
    #[default]
    Auto,
    /// The module.
    Module,
    /// The script, on any server.
    Script,
}
