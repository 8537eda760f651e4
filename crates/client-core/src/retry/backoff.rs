use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use super::RetryPolicy;

/// Whether to retry after a response, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAction {
    /// Do not retry: the response is final.
    Stop,
    /// Retry after this wait, which the server gave. A wait of zero counts as none.
    After(Duration),
    /// Retry after a wait that grows from attempt to attempt, because the server gave none.
    Backoff,
}

/// The waits between the attempts of one request: see [`RetryPolicy::backoff`].
///
/// It reads no clock and does not sleep. You measure the time and wait.
#[derive(Debug)]
pub struct Backoff {
    policy: RetryPolicy,
    attempts: u32,
    /// The attempts after which the server gave no wait.
    unguided: u32,
    exponential: ExponentialBackoff,
}

/// The number of retries for which the server gives no wait, unless the policy says how many attempts there are.
const MAX_UNGUIDED: u32 = 4;
/// The longest wait that the server does not give.
const MAX_BACKOFF: Duration = Duration::from_secs(30);

impl RetryPolicy {
    /// The waits between the attempts of one request.
    #[must_use]
    pub fn backoff(&self) -> Backoff {
        Backoff::new(*self)
    }
}

impl Backoff {
    fn new(policy: RetryPolicy) -> Self {
        let max = policy.max_single_wait.unwrap_or(MAX_BACKOFF);
        let exponential = ExponentialBuilder::new()
            .with_jitter()
            // The jitter may double them.
            .with_min_delay(policy.base.min(max / 2))
            .with_max_delay(max / 2)
            .with_factor(policy.factor.max(1.0))
            .without_max_times()
            .build();
        Self { policy, attempts: 0, unguided: 0, exponential }
    }

    /// The wait before the next attempt; `elapsed` is the time since the first attempt began.
    ///
    /// `None` if there is no next attempt: because `action` says so, the attempts are used up, or the wait does not fit
    /// into the policy's times. A wait given by the server is never shortened.
    ///
    /// ```
    /// use ratelog_client_core::retry::{RetryAction, RetryPolicy};
    /// use std::time::Duration;
    ///
    /// let five_seconds = RetryAction::After(Duration::from_secs(5));
    /// let mut backoff = RetryPolicy::default().max_total(Duration::from_secs(8)).backoff();
    /// let wait = backoff.next(five_seconds, Duration::ZERO).unwrap();
    /// assert!(wait >= Duration::from_secs(5));
    /// assert_eq!(backoff.next(five_seconds, wait), None);
    /// ```
    pub fn next(&mut self, action: RetryAction, elapsed: Duration) -> Option<Duration> {
        self.attempts = self.attempts.saturating_add(1);
        if self.policy.max_attempts.is_some_and(|max| self.attempts >= max) {
            return None;
        }
        let left = self.policy.max_total.checked_sub(elapsed)?;
        let max = left.min(self.policy.max_single_wait.unwrap_or(Duration::MAX));
        match action {
            RetryAction::Stop => None,
            RetryAction::After(wait) if wait > max => None,
            RetryAction::After(wait) if !wait.is_zero() => {
                Some(wait.saturating_add(jitter(wait, self.policy.base)).min(max))
            }
            RetryAction::After(_) | RetryAction::Backoff => {
                self.unguided += 1;
                if self.policy.max_attempts.is_none() && self.unguided > MAX_UNGUIDED {
                    return None;
                }
                let max = self.policy.max_single_wait.unwrap_or(MAX_BACKOFF);
                let wait = self.exponential.next()?.min(max);
                (wait <= left).then_some(wait)
            }
        }
    }
}

/// A random addition to a wait that other clients were given as well, so that they do not all come back at the same
/// moment: at most a tenth of the wait, or `short_wait_jitter` if that is more.
#[must_use]
pub fn jitter(wait: Duration, short_wait_jitter: Duration) -> Duration {
    (wait / 10).max(short_wait_jitter).mul_f32(fastrand::f32())
}

#[cfg(test)]
mod tests {
    use super::RetryAction::{After, Stop};
    use super::{Backoff, RetryAction, RetryPolicy};
    use proptest::prelude::*;
    use std::time::Duration;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// All waits, if each attempt takes no time and each response gives this action.
    fn all(policy: RetryPolicy, action: RetryAction) -> Vec<Duration> {
        let (mut backoff, mut elapsed) = (policy.backoff(), Duration::ZERO);
        std::iter::from_fn(|| backoff.next(action, elapsed).inspect(|wait| elapsed += *wait))
            .collect()
    }

    #[test]
    fn the_number_of_tries_is_bounded() {
        for action in [RetryAction::Backoff, After(Duration::ZERO), After(seconds(1))] {
            assert_eq!(all(RetryPolicy::default().max_attempts(4), action).len(), 3);
            assert_eq!(all(RetryPolicy::default().max_attempts(7), action).len(), 6);
            assert_eq!(all(RetryPolicy::default().max_attempts(1), action), []);
            assert_eq!(all(RetryPolicy::default().max_attempts(0), action), []);
        }
        assert_eq!(all(RetryPolicy::default(), Stop), []);
    }

    #[test]
    fn a_given_wait_is_bounded_by_the_total_time_only() {
        let count = all(RetryPolicy::default(), After(seconds(1))).len();
        assert!((50..=60).contains(&count), "{count}");
        assert_eq!(all(RetryPolicy::default(), After(seconds(59))).len(), 1);
        assert_eq!(all(RetryPolicy::default(), After(seconds(61))), []);
        let patient = RetryPolicy::default().max_total(Duration::MAX);
        assert!(patient.backoff().next(After(seconds(86_400)), Duration::ZERO).is_some());
    }

    #[test]
    fn a_wait_that_is_not_given_is_bounded_by_default() {
        for action in [RetryAction::Backoff, After(Duration::ZERO)] {
            assert_eq!(all(RetryPolicy::default(), action).len(), 4);
        }
        let policy = RetryPolicy::default().base(seconds(100)).max_total(Duration::MAX);
        let waits = all(policy, RetryAction::Backoff);
        assert!(waits.iter().all(|wait| (seconds(15)..=seconds(30)).contains(wait)), "{waits:?}");
    }

    #[test]
    fn a_given_wait_is_lengthened_at_random_and_never_shortened() {
        let range = |policy: RetryPolicy, wait| {
            let waits =
                (0..200).map(|_| policy.backoff().next(After(wait), Duration::ZERO).unwrap());
            let waits: Vec<_> = waits.collect();
            (*waits.iter().min().unwrap(), *waits.iter().max().unwrap())
        };
        let policy = RetryPolicy::default().base(Duration::from_millis(200));
        let (least, most) = range(policy, seconds(20));
        assert!(least >= seconds(20) && most <= seconds(22) && most > least + seconds(1));
        let millisecond = Duration::from_millis(1);
        let (least, most) = range(policy, millisecond);
        assert!(most <= 201 * millisecond && most > least + 100 * millisecond);
        assert!(least >= millisecond);
        let tight = policy.max_single_wait(seconds(20));
        assert_eq!(range(tight, seconds(20)), (seconds(20), seconds(20)));
        assert_eq!(range(policy.max_total(seconds(20)), seconds(20)), (seconds(20), seconds(20)));
    }

    #[test]
    fn a_given_wait_that_does_not_fit_is_not_begun() {
        let next = |policy: RetryPolicy, wait, elapsed| policy.backoff().next(After(wait), elapsed);
        let policy = RetryPolicy::default().max_single_wait(seconds(8)).max_total(seconds(10));
        assert!(next(policy, seconds(8), seconds(2)).is_some());
        assert_eq!(next(policy, Duration::from_millis(8_001), Duration::ZERO), None);
        assert_eq!(next(policy, seconds(8), Duration::from_millis(2_001)), None);
        assert_eq!(next(policy, Duration::ZERO, seconds(11)), None);
        assert_eq!(next(policy, Duration::MAX, Duration::ZERO), None);
        let endless = policy.max_single_wait(Duration::MAX).max_total(Duration::MAX);
        assert_eq!(next(endless, Duration::MAX, Duration::ZERO), Some(Duration::MAX));
    }

    #[test]
    fn other_waits_grow_and_differ() {
        let policy = RetryPolicy::default().base(seconds(1)).factor(3.0).max_total(seconds(600));
        for (times, wait) in (0..).zip(all(policy.max_attempts(4), RetryAction::Backoff)) {
            let least = seconds(3_u64.pow(times));
            assert!((least..least * 2).contains(&wait), "{times}: {wait:?}");
        }
        assert_ne!(all(policy, RetryAction::Backoff), all(policy, RetryAction::Backoff));
    }

    #[test]
    fn the_longest_waits_differ_too() {
        let policy = RetryPolicy::default().max_attempts(60).max_single_wait(seconds(10));
        let waits = all(policy.max_total(Duration::MAX), RetryAction::Backoff);
        let grown = &waits[6..];
        assert!(grown.iter().all(|wait| (seconds(5)..seconds(10)).contains(wait)), "{waits:?}");
        assert_ne!(grown.first(), grown.last());
        let first = |base| {
            let policy = RetryPolicy::default().base(base).max_single_wait(seconds(2));
            policy.backoff().next(RetryAction::Backoff, Duration::ZERO).unwrap()
        };
        for base in [seconds(1), seconds(2), seconds(60)] {
            let firsts = [(); 9].map(|()| first(base));
            assert!(
                firsts.iter().all(|wait| (seconds(1)..seconds(2)).contains(wait)),
                "{firsts:?}"
            );
            assert!(firsts.iter().any(|wait| *wait != firsts[0]), "{firsts:?}");
        }
    }

    #[test]
    fn a_factor_that_would_shorten_waits_leaves_them_as_they_are() {
        for factor in [0.1, -3.0, f32::NAN] {
            let policy = RetryPolicy::default().base(seconds(1)).factor(factor);
            assert!(
                all(policy, RetryAction::Backoff)
                    .iter()
                    .all(|wait| (seconds(1)..seconds(2)).contains(wait))
            );
        }
    }

    #[test]
    fn a_given_wait_does_not_make_the_others_grow() {
        let mut backoff = RetryPolicy::default().base(seconds(1)).backoff();
        backoff.next(After(seconds(1)), Duration::ZERO).unwrap();
        assert!(backoff.next(RetryAction::Backoff, Duration::ZERO).unwrap() < seconds(2));
    }

    fn duration() -> impl Strategy<Value = Duration> {
        prop_oneof![
            Just(Duration::ZERO),
            (0..100_000_u64).prop_map(Duration::from_millis),
            (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(s, n)| Duration::new(s, n)),
            Just(Duration::MAX),
        ]
    }

    proptest! {
        #[test]
        fn no_wait_exceeds_the_bounds_of_its_policy(
            (total, single, base) in (duration(), duration(), duration()),
            factor in any::<f32>(),
            attempts in 0..12_u32,
            responses in prop::collection::vec((prop::option::of(duration()), duration()), 0..12),
        ) {
            let policy = RetryPolicy::default().max_attempts(attempts).max_total(total);
            let policy = policy.max_single_wait(single).base(base).factor(factor);
            let mut backoff: Backoff = policy.backoff();
            for (times, (given, elapsed)) in (1..).zip(responses) {
                if let Some(wait) = backoff.next(given.map_or(RetryAction::Backoff, After), elapsed) {
                    prop_assert!(times < attempts);
                    prop_assert!(wait <= single && wait.saturating_add(elapsed) <= total);
                    prop_assert!(given.is_none_or(|given| given <= wait));
                }
            }
        }
    }
}
