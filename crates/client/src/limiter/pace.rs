use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ratelog_client_core::engine::pace;
use ratelog_core::{Rule, Rules};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout_at};

use super::RateLimiter;
use crate::{Error, Source};

/// A caller looks again after this time.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// Spreads work evenly over time, in all processes that use the same key: see [`RateLimiter::pace`].
///
/// Cheap to clone. The clones share a queue: the callers of one process proceed in the order in which they came.
#[derive(Clone)]
pub struct Pace {
    limiter: RateLimiter,
    key: Arc<[u8]>,
    rules: Arc<Rules>,
    /// Locked by the caller at the head of the queue.
    head: Arc<Mutex<()>>,
    max_wait: Option<Duration>,
}

impl RateLimiter {
    /// A pace: at most `rule`, spread evenly. With `5/second`, [`Pace::wait`] lets one caller proceed every 200
    /// milliseconds, of all processes together.
    ///
    /// At more than 20 units a second, a few callers proceed together: with `50/second`, three every 60 milliseconds. The
    /// waits of callers are a millisecond or two longer than asked, so the rate is a few percent lower.
    ///
    /// While the server is unavailable, the fallback decides. With [`Fallback::Local`](super::Fallback::Local), each
    /// process keeps the whole pace by itself; with [`Fallback::Deny`](super::Fallback::Deny), callers wait until the
    /// server is available; with [`Fallback::Error`](super::Fallback::Error), they get an error.
    ///
    /// ```
    /// use ratelog_client::RateLimiter;
    /// use std::time::{Duration, Instant};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let limiter = RateLimiter::connect("memory://").await?;
    /// let pace = limiter.pace("emails", "100/second")?;
    /// let start = Instant::now();
    /// for _ in 0..6 {
    ///     pace.wait().await?;
    ///     // Send one email.
    /// }
    /// assert!(start.elapsed() >= Duration::from_millis(50));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Config`] if the text is no rule, and for a limit of 0.
    pub fn pace<R>(&self, key: impl AsRef<[u8]>, rule: R) -> Result<Pace, Error>
    where
        R: TryInto<Rule>,
        R::Error: fmt::Display,
    {
        let rule = rule.try_into().map_err(|error| Error::Config(format!("the pace: {error}")))?;
        let no_pace = || Error::Config(format!("the pace: {rule} lets nothing proceed"));
        Ok(Pace {
            limiter: self.clone(),
            key: key.as_ref().into(),
            rules: Arc::new(Rules::one(pace(rule).ok_or_else(no_pace)?)),
            head: Arc::default(),
            max_wait: None,
        })
    }
}

impl Pace {
    /// The maximum time that [`Self::wait`] takes. Default: no maximum.
    #[must_use]
    pub fn max_wait(self, wait: Duration) -> Self {
        Self { max_wait: Some(wait), ..self }
    }

    /// The rule of one step, such as `1/200ms` for `5/second`.
    #[must_use]
    pub fn rule(&self) -> Rule {
        self.rules.first()
    }

    /// Waits for the caller's turn. Returns the time waited.
    ///
    /// # Errors
    /// [`Error::NotInTime`] if other callers of this process are served until the maximum wait is over.
    /// [`Error::Denied`] if the turn comes after the maximum wait, or never: because an operator denied the key. And the
    /// errors of [`RateLimiter::check`].
    pub async fn wait(&self) -> Result<Duration, Error> {
        let start = Instant::now();
        let deadline = self.max_wait.and_then(|wait| start.checked_add(wait));
        let _head = match deadline {
            Some(deadline) => timeout_at(deadline, self.head.lock())
                .await
                .map_err(|_| Error::NotInTime(self.max_wait.unwrap_or_default()))?,
            None => self.head.lock().await,
        };
        loop {
            let decision = self.limiter.check(&self.key, &*self.rules).await?;
            let source = decision.source();
            let Err(denied) = decision.into_result() else { return Ok(start.elapsed()) };
            let now = Instant::now();
            let next = denied.retry_after().and_then(|wait| now.checked_add(wait));
            let next = match (next, deadline) {
                // The server may be there before the time that the fallback names.
                (Some(next), Some(deadline)) if source == Source::Fallback && now < deadline => {
                    Some(next.min(deadline))
                }
                _ => next,
            };
            match next {
                Some(next) if deadline.is_none_or(|deadline| next <= deadline) => {
                    // An operator may allow the key before.
                    let wait = next.saturating_duration_since(now);
                    sleep(wait.min(LONGEST_SLEEP)).await;
                }
                _ => return Err(denied.into()),
            }
        }
    }
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = String::from_utf8_lossy(&self.key);
        let mut debug = f.debug_struct("Pace");
        debug.field("key", &key).field("rule", &self.rule()).finish_non_exhaustive()
    }
}
