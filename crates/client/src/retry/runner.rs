use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Backoff, RetryAction, RetryPolicy};
use crate::Decision;

/// What came of trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome<T> {
    /// The last try's answer.
    pub answer: T,
    /// How many tries there were; one or more.
    pub tries: u32,
    /// How long all waits between them were, together.
    pub waited: Duration,
}

/// Makes `attempt` again and again, for as long as `judge` finds that its answer asks for it, within the bounds of
/// `policy`, and returns the last answer.
///
/// An answer is anything: a response, or a `Result` of one. Whether what is attempted may be repeated at all is for
/// `judge` to know. No wait is begun that the policy has no room for.
///
/// ```
/// use ratelog_client::retry::{RetryAction, RetryPolicy, retry};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let mut answers = [Err("busy"), Err("busy"), Ok(7)].into_iter();
/// let outcome = retry(
///     &RetryPolicy::default(),
///     || std::future::ready(answers.next().unwrap()),
///     |answer| if answer.is_ok() { RetryAction::Stop } else { RetryAction::Backoff },
/// )
/// .await;
/// assert_eq!((outcome.answer, outcome.tries), (Ok(7), 3));
/// # }
/// ```
pub async fn retry<T, F: Future<Output = T>>(
    policy: &RetryPolicy,
    mut attempt: impl FnMut() -> F,
    mut judge: impl FnMut(&T) -> RetryAction,
) -> Outcome<T> {
    let mut tries = Tries::begin(policy);
    loop {
        let answer = attempt().await;
        let repeat = judge(&answer);
        if !tries.again(repeat).await {
            return tries.end(answer);
        }
    }
}

/// The tries of one request.
pub(crate) struct Tries {
    waits: Backoff,
    start: Instant,
    count: u32,
    waited: Duration,
}

impl Tries {
    /// The first try begins.
    pub(crate) fn begin(policy: &RetryPolicy) -> Self {
        Self { waits: policy.waits(), start: Instant::now(), count: 1, waited: Duration::ZERO }
    }

    /// Backoff before another try; false, and no wait, if there is to be none.
    pub(crate) async fn again(&mut self, repeat: RetryAction) -> bool {
        let Some(wait) = self.waits.next(repeat, self.start.elapsed()) else { return false };
        sleep(wait).await;
        self.count += 1;
        self.waited += wait;
        true
    }

    /// They ended with `answer`.
    pub(crate) fn end<T>(self, answer: T) -> Outcome<T> {
        Outcome { answer, tries: self.count, waited: self.waited }
    }
}

/// Checks until the decision is to allow, waiting each time for as long as the denial tells, within the bounds of
/// `policy`; returns the last decision, which is a denial if they are reached.
///
/// A denial that no wait ends (the cost exceeds the limit, or an operator denied the key for good) is returned at once.
///
/// # Errors
/// The first error of `check`, at once: it is not repeated.
///
/// ```
/// # #[cfg(feature = "aio")]
/// # mod aio {
/// use ratelog_client::retry::{RetryPolicy, until_allowed};
/// # use ratelog_client::{AsyncCommands, Error, Rules};
///
/// # async fn wait_for_a_turn(db: redis::aio::MultiplexedConnection, rules: Rules) -> Result<(), Error> {
/// let policy = RetryPolicy::default();
/// let check = || {
///     let mut db = db.clone();
///     let rules = &rules;
///     async move { db.rl_check("user:42", rules).await }
/// };
/// let outcome = until_allowed(&policy, check).await?;
/// if outcome.answer.allowed() {
///     println!("after {} tries and {:?}", outcome.tries, outcome.waited);
/// }
/// # Ok(())
/// # }
/// # }
/// ```
pub async fn until_allowed<E, F: Future<Output = Result<Decision, E>>>(
    policy: &RetryPolicy,
    check: impl FnMut() -> F,
) -> Result<Outcome<Decision>, E> {
    let outcome = retry(policy, check, |answer| match answer {
        Ok(denied) if !denied.allowed() => {
            denied.retry_after().map_or(RetryAction::Stop, RetryAction::After)
        }
        _ => RetryAction::Stop,
    })
    .await;
    let Outcome { answer, tries, waited } = outcome;
    answer.map(|answer| Outcome { answer, tries, waited })
}

#[cfg(test)]
mod tests {
    use super::{
        Duration, Instant, Outcome, RetryAction, RetryPolicy, retry, sleep, until_allowed,
    };
    use crate::{Decision, Limit, Source, Window};
    use std::future::ready;

    const SECOND: Duration = Duration::from_secs(1);

    /// What each try is told, and when it began.
    async fn retried(
        policy: RetryPolicy,
        answers: &[RetryAction],
        takes: Duration,
    ) -> (Outcome<RetryAction>, Vec<Duration>) {
        let (start, mut began) = (Instant::now(), Vec::new());
        let mut answers = answers.iter();
        let attempt = || {
            began.push(start.elapsed());
            let answer = *answers.next().unwrap();
            async move {
                sleep(takes).await;
                answer
            }
        };
        let outcome = retry(&policy, attempt, |answer| *answer).await;
        (outcome, began)
    }

    #[tokio::test(start_paused = true)]
    async fn no_try_begins_before_the_wait_that_was_told_is_over() {
        let answers = [RetryAction::After(SECOND * 5), RetryAction::Backoff, RetryAction::Stop];
        let (outcome, began) = retried(RetryPolicy::default(), &answers, SECOND).await;
        assert_eq!((outcome.answer, outcome.tries), (RetryAction::Stop, 3));
        assert!(began[1] >= SECOND * 6 && began[2] > began[1] + SECOND);
        let waits =
            outcome.waited + SECOND * 2..outcome.waited + SECOND * 2 + Duration::from_millis(5);
        assert!(waits.contains(&began[2]), "{began:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_that_tries_take_counts() {
        let policy = RetryPolicy::default().max_total(SECOND * 10);
        let answers = [RetryAction::After(SECOND * 3), RetryAction::After(SECOND * 3)];
        let (outcome, began) = retried(policy, &answers, SECOND * 2).await;
        assert_eq!((outcome.tries, began.len()), (2, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_without_room_does_not_delay_the_answer() {
        let start = Instant::now();
        let policy = RetryPolicy::default().max_total(SECOND * 10);
        let (outcome, _) =
            retried(policy, &[RetryAction::After(SECOND * 11)], Duration::ZERO).await;
        assert_eq!((outcome.tries, outcome.waited), (1, Duration::ZERO));
        assert!(start.elapsed() < SECOND);
    }

    fn decision(allowed: bool, retry_after: Option<u64>) -> Decision {
        let decided = ratelog_core::Decision {
            allowed,
            limit: Limit::new(1).unwrap(),
            remaining: 0,
            retry_after,
            reset_after: 60_000,
            window: Window::from_millis(60_000).unwrap(),
        };
        Decision::new(decided, Source::Module)
    }

    /// Tries, and the time that passed.
    async fn checked(
        answers: &[Result<Decision, &'static str>],
    ) -> (Result<(bool, u32), &'static str>, Duration) {
        let start = Instant::now();
        let mut answers = answers.iter();
        let check = || ready(*answers.next().unwrap());
        let outcome = until_allowed(&RetryPolicy::default(), check).await;
        (outcome.map(|outcome| (outcome.answer.allowed(), outcome.tries)), start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_denied_check_is_made_again_when_it_may_pass() {
        let answers = [Ok(decision(false, Some(4_000))), Ok(decision(true, Some(0)))];
        // In a task of its own: what waits can be sent between threads.
        let checked = tokio::spawn(async move { checked(&answers).await });
        let (outcome, elapsed) = checked.await.unwrap();
        assert_eq!(outcome, Ok((true, 2)));
        assert!((SECOND * 4..SECOND * 5).contains(&elapsed), "{elapsed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_no_wait_helps_is_not_waited_for() {
        let passed = decision(true, Some(0));
        let never = decision(false, None);
        let too_long = decision(false, Some(3_600_000));
        for (answer, outcome) in [
            (Ok(passed), Ok((true, 1))),
            (Ok(never), Ok((false, 1))),
            (Ok(too_long), Ok((false, 1))),
            (Err("away"), Err("away")),
        ] {
            assert_eq!(checked(&[answer]).await, (outcome, Duration::ZERO));
        }
    }
}
