//! The limiter for callers that do not await.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ratelog_core::{Cost, Rule};
use tokio::runtime::{self, Handle, Runtime};

use super::Health;
use crate::command::Override;
use crate::{Check, Checks, Decision, Decisions, Error};

/// A [`RateLimiter`](super::RateLimiter) for callers that do not await. It has its own tokio runtime, with one thread,
/// which ends with the last clone. Cheap to clone.
///
/// ```
/// use ratelog_client::limiter::blocking;
/// use ratelog_client::Rules;
///
/// let limiter = blocking::RateLimiter::connect("memory://")?;
/// let rules: Rules = "100/minute".parse()?;
/// assert!(limiter.check("user:42", &rules)?.allowed());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Panics
/// Every method panics on a thread of a tokio runtime. Such a thread must not block; await the asynchronous limiter
/// there.
#[derive(Clone)]
pub struct RateLimiter {
    limiter: super::RateLimiter,
    runtime: Arc<OwnRuntime>,
}

macro_rules! blocking {
    ($(
        $(#[$doc:meta])*
        fn $name:ident $(<$life:lifetime>)? ($($argument:ident: $type:ty),*) -> $output:ty;
    )*) => {
        impl RateLimiter {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// As the asynchronous method.
                pub fn $name $(<$life>)? (&self, $($argument: $type),*) -> Result<$output, Error> {
                    self.runtime.handle.block_on(self.limiter.$name($($argument),*))
                }
            )*
        }
    };
}

blocking! {
    /// See [`check`](super::RateLimiter::check).
    fn check<'a>(key: impl AsRef<[u8]>, check: impl Into<Check<'a>>) -> Decision;
    /// See [`peek`](super::RateLimiter::peek).
    fn peek<'a>(key: impl AsRef<[u8]>, check: impl Into<Check<'a>>) -> Decision;
    /// See [`mcheck`](super::RateLimiter::mcheck).
    fn mcheck(checks: &Checks<'_>) -> Decisions;
    /// See [`check_all`](super::RateLimiter::check_all).
    fn check_all<'a>(checks: impl IntoIterator<Item = (impl AsRef<[u8]>, impl Into<Check<'a>>)>) -> Decisions;
    /// See [`refund`](super::RateLimiter::refund).
    fn refund(key: impl AsRef<[u8]>, cost: Cost) -> u64;
    /// See [`reset`](super::RateLimiter::reset).
    fn reset(key: impl AsRef<[u8]>) -> u64;
    /// See [`set_override`](super::RateLimiter::set_override).
    fn set_override(key: impl AsRef<[u8]>, key_override: &Override) -> ();
    /// See [`get_override`](super::RateLimiter::get_override).
    fn get_override(key: impl AsRef<[u8]>) -> Option<Override>;
    /// See [`del_override`](super::RateLimiter::del_override).
    fn del_override(key: impl AsRef<[u8]>) -> bool;
}

impl RateLimiter {
    /// A limiter with default settings: see [`RateLimiter::connect`](super::RateLimiter::connect).
    ///
    /// # Errors
    /// As [`Builder::build_blocking`](super::Builder::build_blocking).
    pub fn connect(url: &str) -> Result<Self, Error> {
        super::Builder::new(url)?.build_blocking()
    }
}

impl super::Builder {
    /// Builds a limiter for callers that do not await, after one attempt to reach the server.
    ///
    /// # Errors
    /// As [`Self::build`], and [`Error::Config`] if the runtime cannot start its thread.
    pub fn build_blocking(self) -> Result<RateLimiter, Error> {
        // One thread runs the connection and the probes. Callers wait on their own threads.
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("ratelog")
            .enable_all()
            .build()
            .map_err(|error| {
                Error::Config(format!("the limiter's runtime cannot start: {error}"))
            })?;
        let limiter = runtime.block_on(self.build())?;
        Ok(RateLimiter { limiter, runtime: Arc::new(OwnRuntime::new(runtime)) })
    }
}

impl RateLimiter {
    /// A pace: see [`pace`](super::RateLimiter::pace).
    ///
    /// # Errors
    /// As the asynchronous method.
    pub fn pace<R>(&self, key: impl AsRef<[u8]>, rule: R) -> Result<Pace, Error>
    where
        R: TryInto<Rule>,
        R::Error: fmt::Display,
    {
        let pace = self.limiter.pace(key, rule)?;
        Ok(Pace { pace, runtime: Arc::clone(&self.runtime) })
    }

    /// The state of the connection to the server.
    #[must_use]
    pub fn health(&self) -> Health {
        self.limiter.health()
    }
}

/// A [`Pace`](super::Pace) for callers that do not await.
#[derive(Clone, Debug)]
pub struct Pace {
    pace: super::Pace,
    runtime: Arc<OwnRuntime>,
}

impl Pace {
    /// The maximum time that [`Self::wait`] takes. Default: no maximum.
    #[must_use]
    pub fn max_wait(self, wait: Duration) -> Self {
        Self { pace: self.pace.max_wait(wait), ..self }
    }

    /// The rule of one step, such as `1/200ms` for `5/second`.
    #[must_use]
    pub fn rule(&self) -> Rule {
        self.pace.rule()
    }

    /// Waits for the caller's turn. Returns the time waited.
    ///
    /// # Errors
    /// As the asynchronous method.
    pub fn wait(&self) -> Result<Duration, Error> {
        self.runtime.handle.block_on(self.pace.wait())
    }
}

/// A runtime that may be dropped on a thread of another one.
#[derive(Debug)]
struct OwnRuntime {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl OwnRuntime {
    fn new(runtime: Runtime) -> Self {
        Self { handle: runtime.handle().clone(), runtime: Some(runtime) }
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
