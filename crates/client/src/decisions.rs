use std::ops::Deref;

use ratelog_client_core::most_binding;

use crate::{Allowed, Decision, Denied};

/// The decisions of one check of several keys, in the order of the keys. It is a slice of [`Decision`].
///
/// ```
/// use ratelog_client::{Checks, Cost, RateLimiter, Rules};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = RateLimiter::connect("memory://").await?;
/// let (minute, day): (Rules, Rules) = ("1/minute".parse()?, "100/day".parse()?);
/// let checks = Checks::new(Cost::ONE, "user:42", minute.first()).and("tenant:7", day.first());
/// limiter.mcheck(&checks).await?.into_result()?;
/// let decisions = limiter.mcheck(&checks).await?;
/// assert!(!decisions.allowed());
/// assert!(!decisions[0].allowed() && decisions[1].allowed());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "the check may be denied: read `allowed()`, or make a denial an error with `into_result()?`"]
pub struct Decisions(Vec<Decision>);

impl Decisions {
    /// Whether all keys are allowed. If they are, the units are recorded on each.
    #[must_use]
    pub fn allowed(&self) -> bool {
        self.0.iter().all(Decision::allowed)
    }

    /// The decisions if all are allowed; else the denial with the longest wait.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn into_result(self) -> Result<Vec<Allowed>, Denied> {
        match most_binding(&self.0, Decision::as_core).map(|decision| decision.into_result()) {
            Some(Err(denied)) => Err(denied),
            _ => self.0.into_iter().map(Decision::into_result).collect(),
        }
    }
}

impl Deref for Decisions {
    type Target = [Decision];

    fn deref(&self) -> &[Decision] {
        &self.0
    }
}

impl From<Vec<Decision>> for Decisions {
    fn from(decisions: Vec<Decision>) -> Self {
        Self(decisions)
    }
}

impl IntoIterator for Decisions {
    type Item = Decision;
    type IntoIter = std::vec::IntoIter<Decision>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Decisions {
    type Item = &'a Decision;
    type IntoIter = std::slice::Iter<'a, Decision>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use ratelog_core::wire;

    use super::Decisions;
    use crate::{Decision, Source};

    /// Decisions with these retry-afters in milliseconds: -1 is never, and 0 is allowed.
    fn decisions(retry_afters: &[i64]) -> Decisions {
        let decide = |&retry_after: &i64| {
            let reply = [i64::from(retry_after == 0), 100, 0, retry_after, 59_000, 60_000];
            Decision::new(wire::decode(reply).unwrap(), Source::Module)
        };
        retry_afters.iter().map(decide).collect::<Vec<_>>().into()
    }

    #[test]
    fn the_error_is_the_denial_with_the_longest_wait() {
        assert_eq!(decisions(&[0, 0]).into_result().unwrap().len(), 2);
        assert!(decisions(&[0, 0]).allowed() && !decisions(&[0, 1]).allowed());
        let longest = |retry_afters| {
            let wait = decisions(retry_afters).into_result().unwrap_err().retry_after();
            wait.map(|wait| wait.as_millis())
        };
        assert_eq!(longest(&[200, 0, 300, 100]), Some(300));
        assert_eq!(longest(&[200, -1, 300]), None);
    }
}
