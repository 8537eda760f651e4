use std::fmt;
use std::time::Duration;

use redis::RedisError;

/// The error of a command or of a limiter.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The server rejected the command or could not be reached.
    Redis(RedisError),
    /// No policy has this name; the text is the server's.
    NoPolicy(String),
    /// The server's reply has another form than the command's. The server may run another version of the module.
    Reply {
        /// The command.
        command: String,
        /// The defect of the reply.
        reason: String,
    },
    /// The server did not answer in this time.
    Timeout(Duration),
    /// The server is unavailable: an earlier error, which is the text, opened the circuit breaker.
    Unavailable(String),
    /// The limiter's URL or settings are invalid; the text says which, and why.
    Config(String),
    /// The operation needs the module, and the limiter's server does not have it.
    NeedsModule(&'static str),
}

impl Error {
    /// Whether the server is unavailable, perhaps only for a moment. If not, the error is a mistake that stays.
    #[cfg(feature = "limiter")]
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_)) || crate::limiter::failure_kind(self).is_some()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redis(error) => write!(f, "{error}"),
            Self::NoPolicy(text) | Self::Config(text) => f.write_str(text),
            Self::Reply { command, reason } => {
                write!(f, "the reply to {command} is invalid: {reason}")
            }
            Self::Timeout(time) => write!(f, "the server did not answer in {time:?}"),
            Self::Unavailable(reason) => write!(f, "the server is unavailable: {reason}"),
            Self::NeedsModule(operation) => {
                write!(f, "{operation} needs a server with the Ratelog module")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Redis(error) => Some(error),
            _ => None,
        }
    }
}

impl From<RedisError> for Error {
    fn from(error: RedisError) -> Self {
        match error.code() {
            Some("NOPOLICY") => {
                Self::NoPolicy(format!("NOPOLICY {}", error.detail().unwrap_or_default()))
            }
            _ => Self::Redis(error),
        }
    }
}
