//! What an error says of the server.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::Error;

/// Why a server gave no answer that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absence {
    /// It did not serve this one: too slow, loading, out of memory, a part of the cluster down.
    Unserved,
    /// The connection leads nowhere any more, or to a server that is no primary any more.
    Lost,
}

/// Errors of servers that have no kind of their own and are about the server, not about the command.
const UNSERVED: [&str; 6] = ["BUSY", "MISCONF", "NOREPLICAS", "OOM", "UNKILLABLE", "LOADING"];
const LOST: [&str; 3] = ["NOAUTH", "WRONGPASS", "DENIED"];

/// What the error says of the server's absence; `None` if the server is there and refuses the command itself.
pub(crate) fn absence(error: &Error) -> Option<Absence> {
    match error {
        Error::Redis(error) => of_redis(error),
        Error::Timeout(_) => Some(Absence::Unserved),
        _ => None,
    }
}

fn of_redis(error: &RedisError) -> Option<Absence> {
    let coded = |codes: &[&str]| error.code().is_some_and(|code| codes.contains(&code));
    match error.kind() {
        _ if coded(&UNSERVED) => Some(Absence::Unserved),
        _ if coded(&LOST) => Some(Absence::Lost),
        ErrorKind::Io if error.is_timeout() => Some(Absence::Unserved),
        ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::TryAgain
            | ServerErrorKind::Moved
            | ServerErrorKind::Ask,
        )
        | ErrorKind::ClusterConnectionNotFound => Some(Absence::Unserved),
        ErrorKind::Server(ServerErrorKind::ReadOnly)
        | ErrorKind::AuthenticationFailed
        | ErrorKind::MasterNameNotFoundBySentinel
        | ErrorKind::Parse
        | ErrorKind::RESP3NotSupported
        | ErrorKind::Io => Some(Absence::Lost),
        _ => None,
    }
}

/// Whether the server does not have the command, and so not the module.
pub(super) fn is_unknown_command(error: &Error) -> bool {
    let Error::Redis(error) = error else { return false };
    error.detail().is_some_and(|detail| detail.starts_with("unknown command"))
}
