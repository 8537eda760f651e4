use std::sync::Arc;

use ratelog_core::Cost;

use super::Health;
use super::check_all::OnRejection;
use super::check_op::CheckOp;
use super::engine::Engine;
use super::multi_check_op::MultiCheckOp;
use super::operation::{ModuleOnlyOp, RefundOp, ResetOp};
use crate::command::{self, Override};
use crate::{Check, Checks, Decision, Decisions, Error};

/// Checks limits in a server, with a timeout, and without it while it is unavailable. Cheap to clone.
///
/// A check takes no longer than the timeout. A circuit breaker counts the checks that the server did not answer:
/// because there is no connection, the time is over, or the server is loading, out of memory or a replica. While the
/// breaker is open, no check waits for the server: the [`Fallback`](super::Fallback) answers, and probes look for the
/// server at jittered intervals until it answers. Other errors are returned to you: an unknown policy, a key of another
/// type, a limit over the server's bound.
///
/// ```
/// use ratelog_client::{RateLimiter, Rules, Source};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = RateLimiter::connect("memory://").await?;
/// let rules: Rules = "2/minute".parse()?;
/// assert!(limiter.check("user:42", &rules).await?.allowed());
/// assert!(limiter.check("user:42", &rules).await?.allowed());
/// let denied = limiter.check("user:42", &rules).await?;
/// assert!(!denied.allowed());
/// assert_eq!(denied.source(), Source::Local);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RateLimiter(pub(crate) Arc<Engine>);

impl RateLimiter {
    /// Decides whether `key` may use the units of `check` now, and records them if it may.
    ///
    /// While the server is unavailable, [`Fallback::Local`](super::Fallback::Local) allows a check under a policy that
    /// this process does not know, and logs a warning once per policy. The decision's source is then
    /// [`Source::Fallback`](crate::Source::Fallback).
    ///
    /// # Errors
    /// [`Error::Redis`] or [`Error::NoPolicy`] if the server rejects the check. With
    /// [`Fallback::Error`](super::Fallback::Error), while the server is unavailable: [`Error::Unavailable`],
    /// [`Error::Timeout`] or the connection's error.
    pub async fn check<'a>(
        &self,
        key: impl AsRef<[u8]>,
        check: impl Into<Check<'a>>,
    ) -> Result<Decision, Error> {
        self.0.check(&CheckOp { key: key.as_ref(), check: check.into(), record: true }).await
    }

    /// The decision that [`Self::check`] would make. Records nothing.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub async fn peek<'a>(
        &self,
        key: impl AsRef<[u8]>,
        check: impl Into<Check<'a>>,
    ) -> Result<Decision, Error> {
        self.0.peek(&CheckOp { key: key.as_ref(), check: check.into(), record: false }).await
    }

    /// Checks several keys, all or nothing. Returns one decision per key, in order.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub async fn mcheck(&self, checks: &Checks<'_>) -> Result<Decisions, Error> {
        self.0.mcheck(&MultiCheckOp { checks, can_be_split: false }).await
    }

    /// Checks several keys, each with rules and a cost of its own: all are recorded, or none. Returns one decision per
    /// key, in order.
    ///
    /// The checks are one command if each has one rule or a policy, and all have the same cost, and, in a cluster, the
    /// keys have one slot. Otherwise there is a command for each, at once; if one is denied, the units that the others
    /// have recorded are taken back, and count until then.
    ///
    /// ```
    /// use ratelog_client::{Check, Cost, RateLimiter, Rules};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let limiter = RateLimiter::connect("memory://").await?;
    /// let user: Rules = "10/second; 1000/hour".parse()?;
    /// let tokens: Rules = "50000/minute".parse()?;
    /// let checks = [
    ///     ("user:42", Check::from(&user)),
    ///     ("tokens:42", Check::from(&tokens).cost(Cost::try_from(1_200)?)),
    /// ];
    /// limiter.check_all(checks).await?.into_result()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Self::check`], for the first check that fails. Nothing is then recorded.
    pub async fn check_all<'a>(
        &self,
        checks: impl IntoIterator<Item = (impl AsRef<[u8]>, impl Into<Check<'a>>)>,
    ) -> Result<Decisions, Error> {
        let checks: Vec<_> = checks.into_iter().map(|(key, check)| (key, check.into())).collect();
        let borrowed: Vec<_> = checks.iter().map(|(key, check)| (key.as_ref(), *check)).collect();
        self.0.check_all(&borrowed, OnRejection::Fail).await
    }

    /// Takes back the newest units, at most `cost`. Returns the units taken back.
    ///
    /// # Errors
    /// As [`Self::check`]. While the server is unavailable, every fallback except
    /// [`Fallback::Local`](super::Fallback::Local) returns an error.
    pub async fn refund(&self, key: impl AsRef<[u8]>, cost: Cost) -> Result<u64, Error> {
        let key = key.as_ref();
        self.0.run_and_invalidate(key, &RefundOp { key, cost, is_of_server: false }).await
    }

    /// Deletes the key's units. Returns the number of deleted units.
    ///
    /// # Errors
    /// As [`Self::refund`].
    pub async fn reset(&self, key: impl AsRef<[u8]>) -> Result<u64, Error> {
        let key = key.as_ref();
        self.0.run_and_invalidate(key, &ResetOp(key)).await
    }

    /// Sets the key's override, and replaces the one that it has.
    ///
    /// # Errors
    /// [`Error::NeedsModule`] if the server does not have the module, [`Error::Unavailable`] while it is unavailable,
    /// and [`Error::Redis`] if it rejects the command.
    pub async fn set_override(
        &self,
        key: impl AsRef<[u8]>,
        key_override: &Override,
    ) -> Result<(), Error> {
        let key = key.as_ref();
        let command = || command::set_override(key, key_override);
        self.0.run_and_invalidate(key, &ModuleOnlyOp { name: "an override", key, command }).await
    }

    /// The key's override, if it has one.
    ///
    /// # Errors
    /// As [`Self::set_override`].
    pub async fn get_override(&self, key: impl AsRef<[u8]>) -> Result<Option<Override>, Error> {
        let key = key.as_ref();
        let command = || command::get_override(key);
        self.0.run(&ModuleOnlyOp { name: "an override", key, command }).await
    }

    /// Deletes the key's override. Returns whether it had one.
    ///
    /// # Errors
    /// As [`Self::set_override`].
    pub async fn del_override(&self, key: impl AsRef<[u8]>) -> Result<bool, Error> {
        let key = key.as_ref();
        let command = || command::del_override(key);
        self.0.run_and_invalidate(key, &ModuleOnlyOp { name: "an override", key, command }).await
    }

    /// The state of the connection to the server.
    #[must_use]
    pub fn health(&self) -> Health {
        self.0.health()
    }
}
