use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Backoff, RetryAction, RetryPolicy};
use crate::{Allowed, Decision, Denied};

/// The result of an operation with retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the output is that of the last attempt, which may have failed"]
pub struct Outcome<T> {
    /// The output of the last attempt.
    pub output: T,
    /// The number of attempts; at least one.
    pub attempts: u32,
    /// The sum of all waits between attempts.
    pub waited: Duration,
}

/// Runs `operation` until `classify` returns [`RetryAction::Stop`] for its output or the bounds of `policy` are
/// reached. Returns the last output.
///
/// The output can be anything: a response, or a `Result` of one. `classify` must know whether the operation may be
/// repeated. No wait is begun that does not fit into the policy's times.
///
/// ```
/// use ratelog_client::retry::{RetryAction, RetryPolicy, retry};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let mut results = [Err("busy"), Err("busy"), Ok(7)].into_iter();
/// let outcome = retry(
///     &RetryPolicy::default(),
///     || std::future::ready(results.next().unwrap()),
///     |result| if result.is_ok() { RetryAction::Stop } else { RetryAction::Backoff },
/// )
/// .await;
/// assert_eq!((outcome.output, outcome.attempts), (Ok(7), 3));
/// # }
/// ```
pub async fn retry<T, F: Future<Output = T>>(
    policy: &RetryPolicy,
    mut operation: impl FnMut() -> F,
    mut classify: impl FnMut(&T) -> RetryAction,
) -> Outcome<T> {
    let mut attempts = Attempts::begin(policy);
    loop {
        let output = operation().await;
        let Some(wait) = attempts.next(classify(&output)) else { return attempts.finish(output) };
        // Releases what it holds, such as a connection.
        drop(output);
        attempts.wait(wait).await;
    }
}

/// The attempts of one operation.
pub(crate) struct Attempts {
    backoff: Backoff,
    start: Instant,
    count: u32,
    waited: Duration,
}

impl Attempts {
    /// Begins the first attempt.
    pub(crate) fn begin(policy: &RetryPolicy) -> Self {
        Self { backoff: policy.backoff(), start: Instant::now(), count: 1, waited: Duration::ZERO }
    }

    /// The wait before the next attempt; `None` if there is none.
    pub(crate) fn next(&mut self, action: RetryAction) -> Option<Duration> {
        self.backoff.next(action, self.start.elapsed())
    }

    /// Waits before the next attempt.
    pub(crate) async fn wait(&mut self, wait: Duration) {
        sleep(wait).await;
        self.count += 1;
        self.waited += wait;
    }

    pub(crate) fn finish<T>(self, output: T) -> Outcome<T> {
        Outcome { output, attempts: self.count, waited: self.waited }
    }
}

/// Repeats `check` until it is allowed. Returns the decision that allows it.
///
/// After each denial it waits for the retry-after, as long as the policy's total time allows.
///
/// # Errors
/// [`Denied`], as the error type of `check` has it: the total time is over, the next wait does not fit into it, or no
/// wait changes the denial, because the cost exceeds the limit or an operator denied the key. And the first error of
/// `check`, which is not repeated.
///
/// ```
/// use ratelog_client::retry::{RetryPolicy, until_allowed};
/// use ratelog_client::{Error, RateLimiter, Rules};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = RateLimiter::connect("memory://").await?;
/// let rules: Rules = "2/50ms".parse()?;
/// let policy = RetryPolicy::default();
/// for _ in 0..5 {
///     let outcome = until_allowed(&policy, || limiter.check("user:42", &rules)).await?;
///     assert!(outcome.output.allowed());
/// }
/// let day: Rules = "1/day".parse()?;
/// limiter.check("user:7", &day).await?.into_result()?;
/// let denied = until_allowed(&policy, || limiter.check("user:7", &day)).await;
/// assert!(matches!(denied, Err(Error::Denied(_))));
/// # Ok(())
/// # }
/// ```
pub async fn until_allowed<E: From<Denied>, F: Future<Output = Result<Decision, E>>>(
    policy: &RetryPolicy,
    check: impl FnMut() -> F,
) -> Result<Outcome<Allowed>, E> {
    let outcome = retry(policy, check, |result| match result {
        Ok(denied) if !denied.allowed() => {
            denied.retry_after().map_or(RetryAction::Stop, RetryAction::After)
        }
        _ => RetryAction::Stop,
    })
    .await;
    let Outcome { output, attempts, waited } = outcome;
    Ok(Outcome { output: output?.into_result()?, attempts, waited })
}

#[cfg(test)]
mod tests {
    use super::{
        Denied, Duration, Instant, Outcome, RetryAction, RetryPolicy, retry, sleep, until_allowed,
    };
    use crate::{Decision, Limit, Source, Window};
    use std::future::ready;

    const SECOND: Duration = Duration::from_secs(1);

    /// Retries an operation that returns these actions and takes this long. Returns when each attempt began.
    async fn run(
        policy: RetryPolicy,
        actions: &[RetryAction],
        takes: Duration,
    ) -> (Outcome<RetryAction>, Vec<Duration>) {
        let (start, mut began) = (Instant::now(), Vec::new());
        let mut actions = actions.iter();
        let operation = || {
            began.push(start.elapsed());
            let action = *actions.next().unwrap();
            async move {
                sleep(takes).await;
                action
            }
        };
        let outcome = retry(&policy, operation, |action| *action).await;
        (outcome, began)
    }

    #[tokio::test(start_paused = true)]
    async fn no_try_begins_before_a_given_wait_is_over() {
        let actions = [RetryAction::After(SECOND * 5), RetryAction::Backoff, RetryAction::Stop];
        let (outcome, began) = run(RetryPolicy::default(), &actions, SECOND).await;
        assert_eq!((outcome.output, outcome.attempts), (RetryAction::Stop, 3));
        assert!(began[1] >= SECOND * 6 && began[2] > began[1] + SECOND);
        let waits =
            outcome.waited + SECOND * 2..outcome.waited + SECOND * 2 + Duration::from_millis(5);
        assert!(waits.contains(&began[2]), "{began:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_duration_of_tries_counts_towards_the_total() {
        let policy = RetryPolicy::default().max_total(SECOND * 10);
        let actions = [RetryAction::After(SECOND * 3), RetryAction::After(SECOND * 3)];
        let (outcome, began) = run(policy, &actions, SECOND * 2).await;
        assert_eq!((outcome.attempts, began.len()), (2, 2));
    }

    /// Records how long it was held.
    struct Held<'a>(Instant, &'a std::sync::Mutex<Vec<Duration>>);

    impl Drop for Held<'_> {
        fn drop(&mut self) {
            self.1.lock().unwrap().push(self.0.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_output_that_is_not_the_last_is_dropped_before_the_wait() {
        let held = std::sync::Mutex::default();
        let mut actions = [RetryAction::After(SECOND * 5), RetryAction::Stop].into_iter();
        let operation = || ready(Held(Instant::now(), &held));
        let classify = |_: &Held<'_>| actions.next().unwrap();
        let outcome = retry(&RetryPolicy::default(), operation, classify).await;
        assert_eq!((outcome.attempts, &*held.lock().unwrap()), (2, &vec![Duration::ZERO]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_does_not_fit_is_not_begun() {
        let start = Instant::now();
        let policy = RetryPolicy::default().max_total(SECOND * 10);
        let (outcome, _) = run(policy, &[RetryAction::After(SECOND * 11)], Duration::ZERO).await;
        assert_eq!((outcome.attempts, outcome.waited), (1, Duration::ZERO));
        assert!(start.elapsed() < SECOND);
    }

    fn decision(allowed: bool, retry_after: Option<u64>) -> Decision {
        let decision = ratelog_core::Decision {
            allowed,
            limit: Limit::new(1),
            remaining: 0,
            retry_after,
            reset_after: 60_000,
            window: Window::from_millis(60_000).unwrap(),
        };
        Decision::new(decision, Source::Module)
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Failure {
        Denied(Option<Duration>),
        Unavailable,
    }

    impl From<Denied> for Failure {
        fn from(denied: Denied) -> Self {
            Self::Denied(denied.retry_after())
        }
    }

    /// The number of attempts of a check that returns these results, and the time that passed.
    async fn check_until_allowed(
        results: &[Result<Decision, Failure>],
    ) -> (Result<u32, Failure>, Duration) {
        let start = Instant::now();
        let mut results = results.iter();
        let check = || ready(*results.next().unwrap());
        let outcome = until_allowed(&RetryPolicy::default(), check).await;
        let attempts = outcome.map(|outcome| {
            assert!(outcome.output.allowed());
            outcome.attempts
        });
        (attempts, start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_denied_check_is_repeated_after_its_retry_after() {
        let denied = Ok(decision(false, Some(4_000)));
        // More often than other operations are repeated.
        let results = [vec![denied; 9], vec![Ok(decision(true, Some(0)))]].concat();
        // In a task, because the future must be `Send`.
        let task = tokio::spawn(async move { check_until_allowed(&results).await });
        let (attempts, elapsed) = task.await.unwrap();
        assert_eq!(attempts, Ok(10));
        assert!((SECOND * 36..SECOND * 45).contains(&elapsed), "{elapsed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_result_that_no_wait_changes_is_returned_at_once() {
        let hour = SECOND * 3_600;
        for (result, outcome) in [
            (Ok(decision(true, Some(0))), Ok(1)),
            (Ok(decision(false, None)), Err(Failure::Denied(None))),
            (Ok(decision(false, Some(3_600_000))), Err(Failure::Denied(Some(hour)))),
            (Err(Failure::Unavailable), Err(Failure::Unavailable)),
        ] {
            assert_eq!(check_until_allowed(&[result]).await, (outcome, Duration::ZERO));
        }
    }
}
