//! The command that finds out whether a server is available, and whether it has the module.

use ratelog_client_core::script::log_of_key;
use ratelog_core::Cost;
use redis::Value;
use redis::aio::ConnectionLike;

use super::connection::Connection;
use crate::command;
use crate::{AsyncCommands, Error};

/// The key of the probe: a refund that changes nothing, or, on a server without the module, the deletion of a log that does
/// not exist. It is a write, so replicas and loading servers reject it.
const KEY: &str = "ratelog:probe";

/// Sends the probe to a server, or a shard of a cluster. Returns whether it has the module.
///
/// # Errors
///
/// The error of a server that is not available. Any other reply shows that it is.
pub(super) async fn send(connection: &mut Connection, is_shard: bool) -> Result<bool, Error> {
    let refunded = refund(connection).await;
    let has_module = !refunded.as_ref().is_err_and(Error::is_unknown_command);
    let probed = if has_module {
        refunded
    } else {
        // A server rejects an unknown command before it looks whether it accepts writes.
        let unlink = redis::cmd("UNLINK").arg(log_of_key(KEY.as_bytes())).to_owned();
        let reply = connection.req_packed_command(&unlink).await;
        reply.and_then(Value::extract_error).map(drop).map_err(Error::from)
    };
    match probed {
        Err(error) if says_unavailable(&error, is_shard) => Err(error),
        _ => Ok(has_module),
    }
}

/// Asks an available server for the module. Returns whether it has it; `false` also if it does not say.
pub(super) async fn has_module(connection: &mut Connection, is_shard: bool) -> bool {
    let refunded = refund(connection).await;
    !refunded.is_err_and(|error| error.is_unknown_command() || says_unavailable(&error, is_shard))
}

async fn refund(connection: &mut Connection) -> Result<(), Error> {
    connection.rl_query(&command::refund(KEY, Cost::ONE)).await.map(drop)
}

/// A shard that does not own the slot of the key, as another one or none does, is available.
fn says_unavailable(error: &Error, is_shard: bool) -> bool {
    error.failure_kind().is_some() && !(is_shard && error.is_about_slot())
}
