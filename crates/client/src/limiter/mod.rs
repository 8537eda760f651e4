//! A limiter that keeps enforcing limits while its server is unavailable.

#[cfg(feature = "blocking")]
pub mod blocking;
mod builder;
mod check_op;
mod classify;
mod connection;
mod fallback;
mod health;
mod local;
mod multi_check_op;
mod operation;
mod remote;
mod target;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::SystemTime;

use ratelog_client_core::Clock;
use ratelog_client_core::engine::{DenyCache, FixedOutcome, Policies, UnknownPolicy};
use ratelog_core::{Cost, RuleSource};

use crate::command::{self, Override};
use crate::{Check, Checks, Decision, Error, Source};
use check_op::CheckOp;
use local::Local;
use multi_check_op::MultiCheckOp;
use operation::{LocalError, ModuleOnlyOp, Operation, RefundOp, ResetOp};
use remote::{QueryError, Remote};

pub use builder::Builder;
pub(crate) use classify::failure_kind;
pub use connection::Connection;
pub use fallback::{Backend, Fallback};
pub use health::Health;
pub use ratelog_client_core::engine::BreakerState;

/// Checks limits in a server, with a timeout, and without it while it is unavailable. Cheap to clone.
///
/// A check takes no longer than the timeout. A circuit breaker counts the checks that the server did not answer: because
/// there is no connection, the time is over, or the server is loading, out of memory or a replica. While the breaker is
/// open, no check waits for the server: the [`Fallback`] answers, and probes look for the server at jittered intervals
/// until it answers. Other errors are returned to you: an unknown policy, a key of another type, a limit over the
/// server's bound.
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
pub struct RateLimiter(Arc<Parts>);

struct Parts {
    remote: Option<Arc<Remote>>,
    local: Local,
    policies: Arc<Policies>,
    fallback: Fallback,
    deny_cache: Option<Arc<DenyCache>>,
    since: SystemTime,
}

impl RateLimiter {
    /// A limiter with default settings; [`Builder::new`] lists the URLs.
    ///
    /// # Errors
    /// [`Error::Config`] for an invalid URL. An unavailable server is not an error: the fallback answers until it is
    /// available.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Builder::new(url)?.build().await
    }

    /// Decides whether `key` may use the units of `check` now, and records them if it may.
    ///
    /// While the server is unavailable, [`Fallback::Local`] allows a check under a policy that this process does not
    /// know, and logs a warning once per policy. The decision's source is then [`Source::Fallback`].
    ///
    /// # Errors
    /// [`Error::Redis`] or [`Error::NoPolicy`] if the server rejects the check. With [`Fallback::Error`], while the server
    /// is unavailable: [`Error::Unavailable`], [`Error::Timeout`] or the connection's error.
    pub async fn check<'a>(
        &self,
        key: impl AsRef<[u8]>,
        check: impl Into<Check<'a>>,
    ) -> Result<Decision, Error> {
        let operation = CheckOp { key: key.as_ref(), check: check.into(), record: true };
        if let Some(deny_cache) = &self.0.deny_cache {
            let now = Clock::monotonic_now();
            if let Some(denied) = deny_cache.get(operation.key, &operation.check, now) {
                return Ok(Decision::new(denied, Source::DenyCache));
            }
        }
        match self.route(&operation) {
            // The future of a query is large. In a box it does not enlarge checks that need no query.
            ControlFlow::Continue(remote) => {
                Box::pin(self.check_and_cache(remote, &operation)).await
            }
            ControlFlow::Break(result) => result,
        }
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
        let operation = CheckOp { key: key.as_ref(), check: check.into(), record: false };
        match self.route(&operation) {
            ControlFlow::Continue(remote) => self.query_check(remote, &operation).await,
            ControlFlow::Break(result) => result,
        }
    }

    /// Checks several keys, all or nothing. Returns one decision per key, in order.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub async fn mcheck(&self, checks: &Checks<'_>) -> Result<Vec<Decision>, Error> {
        self.run(&MultiCheckOp(checks)).await
    }

    /// Takes back the newest units, at most `cost`. Returns the units taken back.
    ///
    /// # Errors
    /// As [`Self::check`]. While the server is unavailable, every fallback except [`Fallback::Local`] returns an error.
    pub async fn refund(&self, key: impl AsRef<[u8]>, cost: Cost) -> Result<u64, Error> {
        let key = key.as_ref();
        self.run_and_invalidate(key, &RefundOp { key, cost }).await
    }

    /// Forgets the key's units. Returns the units forgotten.
    ///
    /// # Errors
    /// As [`Self::refund`].
    pub async fn reset(&self, key: impl AsRef<[u8]>) -> Result<u64, Error> {
        let key = key.as_ref();
        self.run_and_invalidate(key, &ResetOp(key)).await
    }

    /// Sets the key's override, and replaces the one that it has.
    ///
    /// # Errors
    /// [`Error::NeedsModule`] if the server does not have the module, [`Error::Unavailable`] while it is unavailable, and
    /// [`Error::Redis`] if it rejects the command.
    pub async fn set_override(
        &self,
        key: impl AsRef<[u8]>,
        key_override: &Override,
    ) -> Result<(), Error> {
        let key = key.as_ref();
        let command = || command::set_override(key, key_override);
        self.run_and_invalidate(key, &ModuleOnlyOp { name: "an override", command }).await
    }

    /// The key's override, if it has one.
    ///
    /// # Errors
    /// As [`Self::set_override`].
    pub async fn get_override(&self, key: impl AsRef<[u8]>) -> Result<Option<Override>, Error> {
        let key = key.as_ref();
        let command = || command::get_override(key);
        self.run(&ModuleOnlyOp { name: "an override", command }).await
    }

    /// Deletes the key's override. Returns whether it had one.
    ///
    /// # Errors
    /// As [`Self::set_override`].
    pub async fn del_override(&self, key: impl AsRef<[u8]>) -> Result<bool, Error> {
        let key = key.as_ref();
        let command = || command::del_override(key);
        self.run_and_invalidate(key, &ModuleOnlyOp { name: "an override", command }).await
    }

    /// The state of the connection to the server.
    #[must_use]
    pub fn health(&self) -> Health {
        match &self.0.remote {
            Some(remote) => remote.health(),
            None => Health::without_server(self.0.since),
        }
    }

    async fn check_and_cache(
        &self,
        remote: &Arc<Remote>,
        operation: &CheckOp<'_>,
    ) -> Result<Decision, Error> {
        let Some(deny_cache) = &self.0.deny_cache else {
            return self.query_check(remote, operation).await;
        };
        let version = deny_cache.version(operation.key, Clock::monotonic_now());
        let decision = self.query_check(remote, operation).await?;
        if !decision.allowed() {
            let (CheckOp { key, check, .. }, now) = (operation, Clock::monotonic_now());
            if !remote.tracks() {
                let (source, denied) = (decision.source(), decision.as_core());
                deny_cache.insert(key, check, denied, source, version, now);
            } else if deny_cache.begin_fetch(key, check, now) {
                self.fetch_denial(remote, operation, deny_cache);
            }
        }
        Ok(decision)
    }

    /// Caches the denial in the background, by a peek: once this connection has read the key, the server reports changes
    /// of it.
    fn fetch_denial(
        &self,
        remote: &Arc<Remote>,
        operation: &CheckOp<'_>,
        deny_cache: &Arc<DenyCache>,
    ) {
        let (limiter, remote, deny_cache) =
            (self.clone(), Arc::clone(remote), Arc::clone(deny_cache));
        let (key, rule_source) =
            (operation.key.to_vec(), operation.check.rule_source().into_owned());
        let cost = operation.check.units();
        tokio::spawn(async move {
            let check = Check::new(rule_source.as_borrowed()).cost(cost);
            let version = deny_cache.version(&key, Clock::monotonic_now());
            let operation = CheckOp { key: &key, check, record: false };
            if let Ok(decision) = limiter.query_check(&remote, &operation).await {
                let (source, now) = (decision.source(), Clock::monotonic_now());
                deny_cache.insert(&key, &check, decision.as_core(), source, version, now);
            }
            deny_cache.end_fetch(&key);
        });
    }

    async fn query_check(
        &self,
        remote: &Arc<Remote>,
        operation: &CheckOp<'_>,
    ) -> Result<Decision, Error> {
        let decision = self.query(remote, operation).await?;
        // The fallback will need the policy's rules.
        if let (RuleSource::Policy(name), Source::Module, Fallback::Local { .. }) =
            (operation.check.rule_source(), decision.source(), self.0.fallback)
            && self.0.policies.should_fetch(name, Clock::monotonic_now())
        {
            remote.fetch_policy(name.clone(), Arc::clone(&self.0.policies));
        }
        Ok(decision)
    }

    /// Runs an operation after which a denied check may be allowed.
    async fn run_and_invalidate<O: Operation>(
        &self,
        key: &[u8],
        operation: &O,
    ) -> Result<O::Output, Error> {
        let result = self.run(operation).await;
        // Even if there was an error: the server may have run the operation.
        if let Some(deny_cache) = &self.0.deny_cache {
            deny_cache.invalidate(key);
        }
        result
    }

    async fn run<O: Operation>(&self, operation: &O) -> Result<O::Output, Error> {
        match self.route(operation) {
            ControlFlow::Continue(remote) => self.query(remote, operation).await,
            ControlFlow::Break(result) => result,
        }
    }

    /// The server to query, or, if there is none or it is unavailable, the result.
    fn route<O: Operation>(
        &self,
        operation: &O,
    ) -> ControlFlow<Result<O::Output, Error>, &Arc<Remote>> {
        let Parts { remote, local, policies, .. } = &*self.0;
        let Some(remote) = remote else {
            return ControlFlow::Break(operation.local(local, policies).map_err(Error::from));
        };
        if remote.is_available() {
            return ControlFlow::Continue(remote);
        }
        let output = self.fall_back(operation, remote);
        ControlFlow::Break(output.ok_or_else(|| Error::Unavailable(remote.last_error())))
    }

    async fn query<O: Operation>(
        &self,
        remote: &Arc<Remote>,
        operation: &O,
    ) -> Result<O::Output, Error> {
        match remote.run(operation, &self.0.policies).await {
            Ok(output) => Ok(output),
            Err(QueryError::Rejected(error)) => Err(error),
            Err(QueryError::Unavailable(error)) => self.fall_back(operation, remote).ok_or(error),
        }
    }

    /// The output of the fallback; `None` if it has none for this operation.
    fn fall_back<O: Operation>(&self, operation: &O, remote: &Remote) -> Option<O::Output> {
        let Parts { local, policies, .. } = &*self.0;
        match self.0.fallback {
            Fallback::Local { .. } => match operation.local(local, policies) {
                Ok(output) => Some(output),
                Err(LocalError::UnknownPolicies(unknown)) => {
                    self.warn(&unknown);
                    operation.fixed(FixedOutcome::Allow, policies)
                }
                Err(LocalError::NeedsModule(_)) => None,
            },
            Fallback::Allow => operation.fixed(FixedOutcome::Allow, policies),
            Fallback::Deny => {
                let retry_after_ms = remote.retry_after_ms();
                operation.fixed(FixedOutcome::Deny { retry_after_ms }, policies)
            }
            Fallback::Error => None,
        }
    }

    /// Logs unknown policies, each of them once.
    fn warn(&self, unknown: &[UnknownPolicy]) {
        for unknown in unknown.iter().filter(|unknown| self.0.policies.should_report(unknown)) {
            tracing::warn!(
                policy = %unknown.name(),
                "the server is unavailable and the policy is unknown in this process: its checks are allowed"
            );
        }
    }
}
