/// The part of the system that made a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// The module in the server.
    Module,
    /// The script, in a server without the module.
    Script,
    /// The deny cache: a denial by the server that is still valid.
    DenyCache,
    /// The limiter in this process, because there is no server or because it is unavailable.
    Local,
    /// The fallback: the server is unavailable and nothing was counted.
    Fallback,
}

impl Source {
    /// Whether the server decided, just now.
    #[must_use]
    pub const fn is_server(self) -> bool {
        matches!(self, Self::Module | Self::Script)
    }

    /// Returns whether the numbers of a decision are counts. Those of a fixed fallback are not: it counts nothing.
    #[must_use]
    pub const fn has_counts(self) -> bool {
        !matches!(self, Self::Fallback)
    }

    /// The name, for example for logs: `module`, `script`, `deny-cache`, `local` or `fallback`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Module => "module",
            Self::Script => "script",
            Self::DenyCache => "deny-cache",
            Self::Local => "local",
            Self::Fallback => "fallback",
        }
    }
}
