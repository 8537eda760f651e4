use std::fmt;
use std::time::Duration;

#[cfg(feature = "limiter")]
use ratelog_client_core::engine::FailureKind;
#[cfg(feature = "limiter")]
use redis::ErrorKind;
use redis::RedisError;

use crate::Denied;

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
    /// The turn of a pace does not come in this time.
    NotInTime(Duration),
    /// The server is unavailable: an earlier error, which is the text, opened the circuit breaker.
    Unavailable(String),
    /// The limiter's URL or settings are invalid; the text says which, and why.
    Config(String),
    /// A check was denied. The limiter and the commands return a denial as a [`Decision`](crate::Decision); this is for
    /// [`Decision::into_result`](crate::Decision::into_result) and `?` in functions that return this error.
    Denied(Denied),
    /// The operation needs the module, and the limiter's server does not have it.
    NeedsModule(&'static str),
}

impl Error {
    /// Whether the server is unavailable, perhaps only for a moment. If not, the error is a mistake that stays.
    #[cfg(feature = "limiter")]
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_)) || self.failure_kind().is_some()
    }

    /// Whether the command was sent and not answered: the server may have run it.
    #[cfg(feature = "nodes")]
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        match self {
            Self::Timeout(_) => true,
            Self::Redis(error) => error.code().is_none() && error.kind() == ErrorKind::Io,
            _ => false,
        }
    }

    /// How the server failed to answer; `None` if it is available and rejected the command itself.
    #[cfg(feature = "limiter")]
    pub(crate) fn failure_kind(&self) -> Option<FailureKind> {
        match self {
            Self::Redis(error) => redis_failure_kind(error),
            Self::Timeout(_) => Some(FailureKind::Transient),
            _ => None,
        }
    }

    /// The kind of the error, for metrics.
    #[cfg(feature = "metrics")]
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Redis(_) => "redis",
            Self::NoPolicy(_) => "no_policy",
            Self::Reply { .. } => "reply",
            Self::Timeout(_) => "timeout",
            Self::NotInTime(_) => "not_in_time",
            Self::Unavailable(_) => "unavailable",
            Self::Config(_) => "config",
            Self::Denied(_) => "denied",
            Self::NeedsModule(_) => "needs_module",
        }
    }

    /// Whether a node of a cluster does not own the slot of the command's keys, or not yet all of them. The node itself is
    /// well.
    #[cfg(feature = "limiter")]
    pub(crate) fn is_about_slot(&self) -> bool {
        let Self::Redis(error) = self else { return false };
        match error.code() {
            Some("ASK" | "MOVED" | "TRYAGAIN") => true,
            // The same code says that the whole cluster is down.
            Some("CLUSTERDOWN") => error.detail() == Some("Hash slot not served"),
            _ => false,
        }
    }

    /// Returns whether the server does not know the command, because it lacks the module or has an older one.
    #[cfg(feature = "limiter")]
    #[must_use]
    pub fn is_unknown_command(&self) -> bool {
        let Self::Redis(error) = self else { return false };
        error.detail().is_some_and(|detail| detail.starts_with("unknown command"))
    }
}

#[cfg(feature = "limiter")]
fn redis_failure_kind(error: &RedisError) -> Option<FailureKind> {
    let from_kind = || match error.kind() {
        ErrorKind::Io if error.is_timeout() => Some(FailureKind::Transient),
        ErrorKind::ClusterConnectionNotFound => Some(FailureKind::Transient),
        ErrorKind::AuthenticationFailed
        | ErrorKind::MasterNameNotFoundBySentinel
        | ErrorKind::Parse
        | ErrorKind::RESP3NotSupported
        | ErrorKind::Io => Some(FailureKind::ConnectionLost),
        _ => None,
    };
    let message = error.code().map(|code| format!("{code} {}", error.detail().unwrap_or_default()));
    message.and_then(|message| FailureKind::from_message(&message)).or_else(from_kind)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redis(error) => write!(f, "{error}"),
            Self::NoPolicy(text) | Self::Config(text) => f.write_str(text),
            Self::Reply { command, reason } => {
                write!(f, "the reply to {command} is invalid: {reason}")
            }
            Self::NotInTime(time) => write!(f, "the turn does not come within {time:?}"),
            Self::Denied(denied) => denied.fmt(f),
            Self::Timeout(time) => write!(f, "the server did not answer in {time:?}"),
            Self::Unavailable(reason) => write!(f, "the server is unavailable: {reason}"),
            Self::NeedsModule(operation) => {
                write!(f, "{operation} needs the Ratelog module, which this server does not have")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Redis(error) => Some(error),
            Self::Denied(denied) => Some(denied),
            _ => None,
        }
    }
}

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
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

#[cfg(all(test, feature = "limiter"))]
mod tests {
    use ratelog_client_core::engine::FailureKind;

    use super::Error;

    #[test]
    fn the_error_of_a_script_is_that_of_its_command() {
        let kind = |message: &str| {
            let reply = redis::parse_redis_value(format!("-{message}\r\n").as_bytes()).unwrap();
            Error::Redis(reply.extract_error().unwrap_err()).failure_kind()
        };
        let in_script =
            "ERR Error running script (call to f_58de): @user_script:7: @user_script: 7:";
        assert_eq!(kind(&format!("{in_script} -OOM command")), Some(FailureKind::Transient));
        assert_eq!(kind(&format!("{in_script} READONLY You")), Some(FailureKind::ConnectionLost));
        assert_eq!(kind(&format!("{in_script} WRONGTYPE Operation")), None);
        assert_eq!(kind("READONLY You can't write"), Some(FailureKind::ConnectionLost));
        assert_eq!(kind("MOVED 1 192.0.2.1:7000"), Some(FailureKind::Transient));
        assert_eq!(kind("ERR unknown command"), None);
    }
}
