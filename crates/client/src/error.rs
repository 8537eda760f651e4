use std::fmt;
use std::time::Duration;

use redis::RedisError;

/// Why there is no answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The server refused the command, or could not be reached.
    Redis(RedisError),
    /// The server keeps no policy of the name; the text is the server's.
    NoPolicy(String),
    /// The server's answer is not one that the command has: another version of the module, or not the module.
    Reply {
        /// The command.
        command: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The server did not answer in this time.
    Timeout(Duration),
    /// The server is away: the circuit breaker is open since an earlier error, which the text tells.
    Unavailable(String),
    /// The limiter's URL or settings are wrong; the text says which, and how.
    Config(String),
    /// The operation needs the module, and the limiter's backend has none.
    NeedsModule(&'static str),
}

impl Error {
    /// Whether it tells of a server that is away, or does not serve for a while, and not of a mistake.
    #[cfg(feature = "limiter")]
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_)) || crate::limiter::absence(self).is_some()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redis(error) => write!(f, "{error}"),
            Self::NoPolicy(text) | Self::Config(text) => f.write_str(text),
            Self::Reply { command, reason } => {
                write!(f, "the answer to {command} cannot be read: {reason}")
            }
            Self::Timeout(time) => write!(f, "the server did not answer in {time:?}"),
            Self::Unavailable(reason) => write!(f, "the server is away: {reason}"),
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
