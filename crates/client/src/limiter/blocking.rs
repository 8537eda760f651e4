//! The limiter for callers that do not await.

use std::sync::Arc;

use ratelog_core::Cost;
use tokio::runtime::{self, Runtime};

use super::Health;
use crate::command::Override;
use crate::{Check, Checks, Decision, Error};

/// A [`RateLimiter`](super::RateLimiter) on a runtime of its own: the same limiter, for callers that do not await. Cheap
/// to clone; the runtime ends with the last clone.
///
/// ```
/// use ratelog_client::limiter::{Builder, blocking};
/// use ratelog_client::Rules;
///
/// let limiter = blocking::RateLimiter::build(Builder::new("memory://")?)?;
/// let rules: Rules = "100/minute".parse()?;
/// assert!(limiter.check("user:42", &rules)?.allowed());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Panics
/// Every method, where it is called on a thread of a tokio runtime: such a thread must not be blocked, and can await the
/// other limiter.
#[derive(Clone)]
pub struct RateLimiter {
    limiter: super::RateLimiter,
    runtime: Arc<Runtime>,
}

macro_rules! blocking {
    ($(
        $(#[$text:meta])*
        fn $name:ident $(<$life:lifetime>)? ($($word:ident: $kind:ty),*) -> $answer:ty;
    )*) => {
        impl RateLimiter {
            $(
                $(#[$text])*
                ///
                /// # Errors
                /// As its namesake.
                pub fn $name $(<$life>)? (&self, $($word: $kind),*) -> Result<$answer, Error> {
                    self.runtime.block_on(self.limiter.$name($($word),*))
                }
            )*
        }
    };
}

blocking! {
    /// As [`check`](super::RateLimiter::check).
    fn check<'a>(key: impl AsRef<[u8]>, check: impl Into<Check<'a>>) -> Decision;
    /// As [`peek`](super::RateLimiter::peek).
    fn peek<'a>(key: impl AsRef<[u8]>, check: impl Into<Check<'a>>) -> Decision;
    /// As [`mcheck`](super::RateLimiter::mcheck).
    fn mcheck(checks: &Checks<'_>) -> Vec<Decision>;
    /// As [`refund`](super::RateLimiter::refund).
    fn refund(key: impl AsRef<[u8]>, cost: Cost) -> u64;
    /// As [`reset`](super::RateLimiter::reset).
    fn reset(key: impl AsRef<[u8]>) -> u64;
    /// As [`set_override`](super::RateLimiter::set_override).
    fn set_override(key: impl AsRef<[u8]>, put: &Override) -> ();
    /// As [`get_override`](super::RateLimiter::get_override).
    fn get_override(key: impl AsRef<[u8]>) -> Option<Override>;
    /// As [`del_override`](super::RateLimiter::del_override).
    fn del_override(key: impl AsRef<[u8]>) -> bool;
}

impl RateLimiter {
    /// The limiter that `builder` describes, after one try to reach the server.
    ///
    /// # Errors
    /// As [`Builder::build`](super::Builder::build), and [`Error::Config`] if no thread can be had for the runtime.
    pub fn build(builder: super::Builder) -> Result<Self, Error> {
        // One thread drives the connection and the probes; callers wait on their own.
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("ratelog")
            .enable_all()
            .build()
            .map_err(|error| Error::Config(format!("no runtime for the limiter: {error}")))?;
        let limiter = runtime.block_on(builder.build())?;
        Ok(Self { limiter, runtime: Arc::new(runtime) })
    }

    /// How the limiter gets on with its server.
    #[must_use]
    pub fn health(&self) -> Health {
        self.limiter.health()
    }
}
