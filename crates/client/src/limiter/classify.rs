//! Classifies errors.

use ratelog_client_core::engine::FailureKind;
use redis::{ErrorKind, RedisError};

use crate::Error;

/// How the server failed to answer; `None` if it is available and rejected the command itself.
pub(crate) fn failure_kind(error: &Error) -> Option<FailureKind> {
    match error {
        Error::Redis(error) => redis_failure_kind(error),
        Error::Timeout(_) => Some(FailureKind::Transient),
        _ => None,
    }
}

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
    error.code().and_then(FailureKind::from_code).or_else(from_kind)
}

/// Whether the server does not know the command, so it does not have the module.
pub(super) fn is_unknown_command(error: &Error) -> bool {
    let Error::Redis(error) = error else { return false };
    error.detail().is_some_and(|detail| detail.starts_with("unknown command"))
}
