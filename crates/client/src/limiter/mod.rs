//! A limiter that serves on while its server is away.

mod asked;
#[cfg(feature = "blocking")]
pub mod blocking;
mod builder;
mod classify;
mod connection;
mod fallback;
mod health;
mod local;
mod operation;
mod remote;
mod target;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::SystemTime;

use ratelog_client_core::{DenyCache, FixedOutcome, KeyVersion, Policies};
use ratelog_core::Cost;

use crate::command::{self, Override};
use crate::{Check, Checks, Decision, Error, Source, Under};
use asked::Asked;
use local::Local;
use operation::{CheckOp, ModuleOnlyOp, MultiCheckOp, Operation, RefundOp, ResetOp};
use remote::{Failure, Remote};

pub use builder::Builder;
pub(crate) use classify::absence;
pub use connection::Connection;
pub use fallback::{Backend, Fallback};
pub use health::Health;
pub use ratelog_client_core::State;

/// Checks in a server, with a timeout, and by other means while the server is away. Cheap to clone.
///
/// A check takes no longer than the timeout. Errors of the server's absence (no connection, no answer in time, loading,
/// out of memory, no primary) are counted by a circuit breaker: while it is open no check waits for the server, the
/// [`Fallback`] answers, and probes look for the server at jittered intervals until it is found again. Other errors are
/// the caller's: no such policy, a key of another type, a limit over the server's bound.
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
    denials: Option<Arc<DenyCache>>,
    since: SystemTime,
}

impl RateLimiter {
    /// A limiter with default settings; see [`Builder::new`] for the URLs.
    ///
    /// # Errors
    /// [`Error::Config`] if the URL is none of a limiter. A server that is away is no error: the fallback serves until
    /// it is there.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Builder::new(url)?.build().await
    }

    /// Decides whether `key` may use the units of `check` now; they are recorded if it may.
    ///
    /// # Errors
    /// What the server refuses: [`Error::Redis`], [`Error::NoPolicy`]. While it is away, and the fallback is
    /// [`Fallback::Error`]: [`Error::Unavailable`], [`Error::Timeout`] or the connection's error; this also where the
    /// fallback would decide by a policy that this process does not know.
    pub async fn check<'a>(
        &self,
        key: impl AsRef<[u8]>,
        check: impl Into<Check<'a>>,
    ) -> Result<Decision, Error> {
        let (key, check) = (key.as_ref(), check.into());
        let denials = self.0.denials.as_ref();
        if let Some(denied) = denials.and_then(|denials| denials.get(key, &check)) {
            return Ok(Decision::new(denied, Source::DenyCache));
        }
        let operation = CheckOp { key, check, records: true };
        if let ControlFlow::Break(answer) = self.seek_server(&operation) {
            return answer;
        }
        // The future that asks a server is large. In a box, it is not moved about with checks that ask none.
        Box::pin(self.check_at_server(key, check)).await
    }

    /// The decision that [`Self::check`] would come to, recording nothing.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub async fn peek<'a>(
        &self,
        key: impl AsRef<[u8]>,
        check: impl Into<Check<'a>>,
    ) -> Result<Decision, Error> {
        self.decide(key.as_ref(), check.into(), false).await
    }

    /// Decides one check of several keys, all or nothing: a decision for each key, in their order.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub async fn mcheck(&self, checks: &Checks<'_>) -> Result<Vec<Decision>, Error> {
        self.run(&MultiCheckOp(checks)).await
    }

    /// Takes the newest units back, as many as `cost`. Answers how many there were to take.
    ///
    /// # Errors
    /// As [`Self::check`]; while the server is away only [`Fallback::Local`] has anything to take back.
    pub async fn refund(&self, key: impl AsRef<[u8]>, cost: Cost) -> Result<u64, Error> {
        let key = key.as_ref();
        self.changing(key, &RefundOp { key, cost }).await
    }

    /// Forgets the key's units. Answers how many there were.
    ///
    /// # Errors
    /// As [`Self::refund`].
    pub async fn reset(&self, key: impl AsRef<[u8]>) -> Result<u64, Error> {
        let key = key.as_ref();
        self.changing(key, &ResetOp(key)).await
    }

    /// Puts an override on the key, in place of one it has.
    ///
    /// # Errors
    /// As [`Self::check`]; and [`Error::NeedsModule`] where there is none.
    pub async fn set_override(&self, key: impl AsRef<[u8]>, put: &Override) -> Result<(), Error> {
        let key = key.as_ref();
        let command = || command::set_override(key, put);
        self.changing(key, &ModuleOnlyOp { name: "an override", command }).await
    }

    /// What an operator put on the key, if it still holds.
    ///
    /// # Errors
    /// As [`Self::set_override`].
    pub async fn get_override(&self, key: impl AsRef<[u8]>) -> Result<Option<Override>, Error> {
        let key = key.as_ref();
        let command = || command::get_override(key);
        self.run(&ModuleOnlyOp { name: "an override", command }).await
    }

    /// Takes the override away. Answers whether one held.
    ///
    /// # Errors
    /// As [`Self::set_override`].
    pub async fn del_override(&self, key: impl AsRef<[u8]>) -> Result<bool, Error> {
        let key = key.as_ref();
        let command = || command::del_override(key);
        self.changing(key, &ModuleOnlyOp { name: "an override", command }).await
    }

    /// How the limiter gets on with its server.
    #[must_use]
    pub fn health(&self) -> Health {
        match &self.0.remote {
            Some(remote) => remote.health(),
            None => Health::alone(self.0.since),
        }
    }

    async fn check_at_server(&self, key: &[u8], check: Check<'_>) -> Result<Decision, Error> {
        let Some(denials) = &self.0.denials else { return self.decide(key, check, true).await };
        let ticket = denials.ticket(key);
        let decision = self.decide(key, check, true).await?;
        if !decision.allowed() {
            match &self.0.remote {
                Some(remote) if remote.tracks() => self.watch(key, check, denials),
                _ => remember(denials, key, &check, &decision, ticket),
            }
        }
        Ok(decision)
    }

    async fn decide(&self, key: &[u8], check: Check<'_>, records: bool) -> Result<Decision, Error> {
        let decision = self.run(&CheckOp { key, check, records }).await?;
        if let (Under::Policy(name), Source::Module, Fallback::Local { .. }, Some(remote)) =
            (check.under(), decision.source(), self.0.fallback, &self.0.remote)
            && self.0.policies.wants(name)
        {
            remote.learn(name.clone(), Arc::clone(&self.0.policies));
        }
        Ok(decision)
    }

    /// Has the denial remembered by a peek: reading the key makes the server tell this connection when anybody changes
    /// it. Whoever is denied does not wait for that.
    fn watch(&self, key: &[u8], check: Check<'_>, denials: &Arc<DenyCache>) {
        if !denials.claim(key, &check) {
            return;
        }
        let (limiter, denials) = (self.clone(), Arc::clone(denials));
        let (key, asked) = (key.to_vec(), Asked::from(check));
        tokio::spawn(async move {
            let (check, ticket) = (asked.check(), denials.ticket(&key));
            if let Ok(decision) = limiter.decide(&key, check, false).await {
                remember(&denials, &key, &check, &decision, ticket);
            }
            denials.settle(&key);
        });
    }

    /// An operation that may let pass what was denied.
    async fn changing<O: Operation>(&self, key: &[u8], operation: &O) -> Result<O::Answer, Error> {
        let answer = self.run(operation).await;
        // Even if it failed: the server may have done it.
        if let Some(denials) = &self.0.denials {
            denials.forget(key);
        }
        answer
    }

    async fn run<O: Operation>(&self, operation: &O) -> Result<O::Answer, Error> {
        let remote = match self.seek_server(operation) {
            ControlFlow::Continue(remote) => remote,
            ControlFlow::Break(answer) => return answer,
        };
        match remote.run(operation, &self.0.policies).await {
            Ok(answer) => Ok(answer),
            Err(Failure::Refused(error)) => Err(error),
            Err(Failure::Away(error)) => self.fall_back(operation, remote).ok_or(error),
        }
    }

    /// The server that is to be asked; or, where there is none or it is away, the answer.
    fn seek_server<O: Operation>(
        &self,
        operation: &O,
    ) -> ControlFlow<Result<O::Answer, Error>, &Arc<Remote>> {
        let Parts { remote, local, policies, .. } = &*self.0;
        let Some(remote) = remote else {
            return ControlFlow::Break(operation.local(local, policies));
        };
        if remote.is_there() {
            return ControlFlow::Continue(remote);
        }
        let answer = self.fall_back(operation, remote);
        ControlFlow::Break(answer.ok_or_else(|| Error::Unavailable(remote.last_error())))
    }

    fn fall_back<O: Operation>(&self, operation: &O, remote: &Remote) -> Option<O::Answer> {
        let Parts { local, policies, .. } = &*self.0;
        match self.0.fallback {
            Fallback::Local { .. } => operation.local(local, policies).ok(),
            Fallback::Allow => operation.outright(FixedOutcome::Allow, policies),
            Fallback::Deny => operation.outright(FixedOutcome::Deny(remote.next_try()), policies),
            Fallback::Error => None,
        }
    }
}

fn remember(
    denials: &DenyCache,
    key: &[u8],
    check: &Check<'_>,
    decision: &Decision,
    ticket: KeyVersion,
) {
    let by_server = matches!(decision.source(), Source::Module | Source::Script);
    denials.put(key, check, decision.as_core(), by_server, ticket);
}
