//! The operations of a limiter. Each is implemented four ways: module command, Lua script, in-process limiter, fixed
//! outcome.

use ratelog_client_core::engine::{FixedOutcome, Policies, UnknownPolicy};
use ratelog_core::Cost;

use super::connection::Connection;
use super::local::Local;
use crate::command::{self, Command};
use crate::{Error, script};

pub(super) trait Operation: Sync {
    type Output: Send;

    /// True if only the module has the operation.
    const NEEDS_MODULE: bool = false;

    /// The number of checks; 0 if the operation is not a check.
    fn checks(&self) -> usize {
        0
    }

    /// Whether the caller sends a command for each key if the server does not have all of them.
    fn can_be_split(&self) -> bool {
        false
    }

    /// The key that decides which shard of a cluster runs the operation.
    fn key(&self) -> &[u8];

    /// The operation as a command of the module.
    fn command(&self) -> Command<Self::Output>;

    /// Runs the operation with the script, on a server without the module.
    fn via_script(
        &self,
        connection: &mut Connection,
        policies: &Policies,
    ) -> impl Future<Output = Result<Self::Output, Error>> + Send;

    /// Runs the operation in this process.
    fn local(&self, local: &Local, policies: &Policies) -> Result<Self::Output, LocalError>;

    /// The output in this process when policies are unknown: their checks are allowed. `None` if the operation is not a
    /// check.
    fn local_allowing_unknown(&self, _local: &Local, _policies: &Policies) -> Option<Self::Output> {
        None
    }

    /// The output for a fixed outcome; `None` if the operation is not a check.
    fn fixed(&self, _outcome: FixedOutcome, _policies: &Policies) -> Option<Self::Output> {
        None
    }
}

/// An operation needs something that is not in this process.
#[derive(Debug)]
pub(super) enum LocalError {
    /// The policies that are unknown; at least one.
    UnknownPolicies(Vec<UnknownPolicy>),
    /// The operation, which only the module has.
    NeedsModule(&'static str),
    /// The server has recorded the units, not this process.
    RecordedByServer,
}

impl From<LocalError> for Error {
    fn from(error: LocalError) -> Self {
        match error {
            LocalError::UnknownPolicies(unknown) => {
                let texts: Vec<_> = unknown.iter().map(UnknownPolicy::to_string).collect();
                Self::NoPolicy(format!("NOPOLICY {}", texts.join("; ")))
            }
            LocalError::NeedsModule(operation) => Self::NeedsModule(operation),
            LocalError::RecordedByServer => {
                Self::Unavailable("the server that has recorded the units is away".into())
            }
        }
    }
}

/// Takes back units.
pub(super) struct RefundOp<'a> {
    pub(super) key: &'a [u8],
    pub(super) cost: Cost,
    /// Whether the units are those of a check that the server has recorded.
    pub(super) is_of_server: bool,
}

impl Operation for RefundOp<'_> {
    type Output = u64;

    fn key(&self) -> &[u8] {
        self.key
    }

    fn command(&self) -> Command<u64> {
        command::refund(self.key, self.cost)
    }

    async fn via_script(&self, connection: &mut Connection, _: &Policies) -> Result<u64, Error> {
        script::run(connection, &script::refund(self.key, self.cost)).await
    }

    fn local(&self, local: &Local, _: &Policies) -> Result<u64, LocalError> {
        if self.is_of_server {
            return Err(LocalError::RecordedByServer);
        }
        Ok(local.refund(self.key, self.cost))
    }
}

/// Deletes units.
pub(super) struct ResetOp<'a>(pub(super) &'a [u8]);

impl Operation for ResetOp<'_> {
    type Output = u64;

    fn key(&self) -> &[u8] {
        self.0
    }

    fn command(&self) -> Command<u64> {
        command::reset(self.0)
    }

    async fn via_script(&self, connection: &mut Connection, _: &Policies) -> Result<u64, Error> {
        script::run(connection, &script::reset(self.0)).await
    }

    fn local(&self, local: &Local, _: &Policies) -> Result<u64, LocalError> {
        Ok(local.reset(self.0))
    }
}

/// An operation that only the module has.
pub(super) struct ModuleOnlyOp<'a, T, F: Fn() -> Command<T>> {
    pub(super) name: &'static str,
    pub(super) key: &'a [u8],
    pub(super) command: F,
}

impl<T: Send, F: Fn() -> Command<T> + Sync> Operation for ModuleOnlyOp<'_, T, F> {
    type Output = T;

    const NEEDS_MODULE: bool = true;

    fn key(&self) -> &[u8] {
        self.key
    }

    fn command(&self) -> Command<T> {
        (self.command)()
    }

    async fn via_script(&self, _: &mut Connection, _: &Policies) -> Result<T, Error> {
        Err(Error::NeedsModule(self.name))
    }

    fn local(&self, _: &Local, _: &Policies) -> Result<T, LocalError> {
        Err(LocalError::NeedsModule(self.name))
    }
}
