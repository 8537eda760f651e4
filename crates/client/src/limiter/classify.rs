//! What an error says of the server.

use ratelog_client_core::FailureKind;
use redis::{ErrorKind, RedisError};

use crate::Error;

/// What the error says of the server's absence; `None` if the server is there and refuses the command itself.
pub(crate) fn absence(error: &Error) -> Option<FailureKind> {
    match error {
        Error::Redis(error) => of_redis(error),
        Error::Timeout(_) => Some(FailureKind::Transient),
        _ => None,
    }
}

fn of_redis(error: &RedisError) -> Option<FailureKind> {
    let of_kind = || match error.kind() {
        ErrorKind::Io if error.is_timeout() => Some(FailureKind::Transient),
        ErrorKind::ClusterConnectionNotFound => Some(FailureKind::Transient),
        ErrorKind::AuthenticationFailed
        | ErrorKind::MasterNameNotFoundBySentinel
        | ErrorKind::Parse
        | ErrorKind::RESP3NotSupported
        | ErrorKind::Io => Some(FailureKind::ConnectionLost),
        _ => None,
    };
    error.code().and_then(FailureKind::from_code).or_else(of_kind)
}

/// Whether the server does not have the command, and so not the module.
pub(super) fn is_unknown_command(error: &Error) -> bool {
    let Error::Redis(error) = error else { return false };
    error.detail().is_some_and(|detail| detail.starts_with("unknown command"))
}
