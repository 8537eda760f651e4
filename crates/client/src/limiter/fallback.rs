use std::num::NonZeroU32;

/// How checks are answered while the server is unavailable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fallback {
    /// This process decides, by the same rules and as exactly. Its logs start empty. A key under a policy that this
    /// process does not know is allowed, and a warning is logged with `tracing`, once per policy. The other keys of the
    /// same check keep their limits.
    Local {
        /// The number of processes that share each limit, also with `memory://`. Each of them grants an equal share,
        /// rounded down, and at least one unit, unless the limit is zero. With 1, this process grants the whole limit.
        instances: NonZeroU32,
    },
    /// Every check is allowed.
    Allow,
    /// Every check is denied.
    Deny,
    /// Every check returns an error.
    Error,
}

impl Default for Fallback {
    /// This process decides, and grants the whole limit.
    fn default() -> Self {
        Self::Local { instances: NonZeroU32::MIN }
    }
}

/// The part of the server that answers checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend {
    /// The module. If the server does not know its commands, the script; it is asked again every 30 seconds.
    #[default]
    Auto,
    /// The module.
    Module,
    /// The script, on any server.
    Script,
}
