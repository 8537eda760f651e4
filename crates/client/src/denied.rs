use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use ratelog_core::Rule;

use crate::Decision;

/// The error of a check that was denied: see [`Decision::into_result`].
///
/// ```
/// use ratelog_client::{Denied, RateLimiter, Rules};
///
/// async fn send(limiter: &RateLimiter, rules: &Rules) -> Result<(), Box<dyn std::error::Error>> {
///     limiter.check("user:42", rules).await?.into_result()?;
///     // Only an allowed check arrives here.
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = RateLimiter::connect("memory://").await?;
/// let rules: Rules = "1/minute".parse()?;
/// send(&limiter, &rules).await?;
/// let error = send(&limiter, &rules).await.unwrap_err();
/// let denied = error.downcast_ref::<Denied>().ok_or("another error")?;
/// assert!(denied.retry_after().is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denied(Decision);

/// A decision that allows its check: see [`Decision::into_result`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed(Decision);

impl Decision {
    /// The decision if it is allowed; an error if it is denied.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn into_result(self) -> Result<Allowed, Denied> {
        if self.allowed() { Ok(Allowed(self)) } else { Err(Denied(self)) }
    }
}

impl Deref for Allowed {
    type Target = Decision;

    fn deref(&self) -> &Decision {
        &self.0
    }
}

impl Denied {
    /// The decision.
    pub const fn decision(&self) -> &Decision {
        &self.0
    }

    /// The shortest wait after which the same check may be allowed: see [`Decision::retry_after`].
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after()
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let core = self.0.as_core();
        write!(f, "the limit {} denies the check", Rule::new(core.limit, core.window))?;
        match self.retry_after() {
            Some(wait) => write!(f, "; it may be allowed after {wait:?}"),
            None => f.write_str(", and no wait changes that"),
        }
    }
}

impl std::error::Error for Denied {}

#[cfg(test)]
mod tests {
    use ratelog_core::wire;

    use super::{Allowed, Denied};
    use crate::{Decision, Source};

    fn decide(retry_after: i64) -> Result<Allowed, Denied> {
        let allowed = i64::from(retry_after == 0);
        let reply = [allowed, 100, 0, retry_after, 59_000, 60_000];
        Decision::new(wire::decode(reply).unwrap(), Source::Module).into_result()
    }

    #[test]
    fn the_text_has_the_limit_and_the_wait() {
        let text = |retry_after| decide(retry_after).unwrap_err().to_string();
        assert_eq!(
            text(4_200),
            "the limit 100/minute denies the check; it may be allowed after 4.2s"
        );
        assert_eq!(text(-1), "the limit 100/minute denies the check, and no wait changes that");
        assert_eq!(decide(0).unwrap().remaining(), 0);
    }
}
