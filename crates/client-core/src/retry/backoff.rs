use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use super::RetryPolicy;

/// Whether to try again, as an answer has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAction {
    /// Never: this is the answer.
    Stop,
    /// Not before this time has passed, as was told.
    After(Duration),
    /// Nothing is told: after a wait that grows from try to try.
    Backoff,
}

/// The waits between the tries of one request: [`RetryPolicy::waits`].
///
/// Knows no clock and does not sleep; that is left to the caller.
#[derive(Debug)]
pub struct Backoff {
    policy: RetryPolicy,
    tries: u32,
    backoff: ExponentialBackoff,
}

impl Backoff {
    pub(super) fn new(policy: RetryPolicy) -> Self {
        let longest = policy.max_single_wait;
        let backoff = ExponentialBuilder::new()
            .with_jitter()
            .with_min_delay(policy.base.min(longest))
            // The jitter may double it.
            .with_max_delay(longest / 2)
            .with_factor(policy.factor.max(1.0))
            .without_max_times()
            .build();
        Self { policy, tries: 0, backoff }
    }

    /// How long to wait before the next try, after one whose answer says to `repeat`; `elapsed` is the time since the
    /// first try began. `None` if there is to be no other try: because none is wanted, all tries are used up, or the
    /// wait does not fit into the policy's times.
    ///
    /// ```
    /// use ratelog_client_core::retry::{RetryAction, RetryPolicy};
    /// use std::time::Duration;
    ///
    /// let told = Duration::from_secs(5);
    /// let mut waits = RetryPolicy::default().max_total(Duration::from_secs(8)).waits();
    /// let wait = waits.next(RetryAction::After(told), Duration::ZERO).unwrap();
    /// assert!(wait >= told);
    /// assert_eq!(waits.next(RetryAction::After(told), wait), None);
    /// ```
    pub fn next(&mut self, repeat: RetryAction, elapsed: Duration) -> Option<Duration> {
        self.tries = self.tries.saturating_add(1);
        if self.tries >= self.policy.max_tries {
            return None;
        }
        let left = self.policy.max_total.checked_sub(elapsed)?;
        let longest = left.min(self.policy.max_single_wait);
        match repeat {
            RetryAction::Stop => None,
            RetryAction::After(told) if told > longest => None,
            RetryAction::After(told) => {
                Some(told.saturating_add(jitter(told, self.policy.base)).min(longest))
            }
            RetryAction::Backoff => {
                let wait = self.backoff.next()?.min(self.policy.max_single_wait);
                (wait <= left).then_some(wait)
            }
        }
    }
}

/// By how much to lengthen a wait that others were told as well: by chance, at most by a tenth of it, or by `least`
/// where that is more.
#[must_use]
pub fn jitter(told: Duration, least: Duration) -> Duration {
    (told / 10).max(least).mul_f32(fastrand::f32())
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

    /// The waits until there are no more, if each try takes no time and each answer says to `repeat`.
    fn all(policy: RetryPolicy, repeat: RetryAction) -> Vec<Duration> {
        let (mut waits, mut elapsed) = (policy.waits(), Duration::ZERO);
        std::iter::from_fn(|| waits.next(repeat, elapsed).inspect(|wait| elapsed += *wait))
            .collect()
    }

    #[test]
    fn tries_end_with_the_last_that_is_granted() {
        for repeat in [RetryAction::Backoff, After(Duration::ZERO), After(seconds(1))] {
            assert_eq!(all(RetryPolicy::default().max_tries(4), repeat).len(), 3);
            assert_eq!(all(RetryPolicy::default().max_tries(1), repeat), []);
            assert_eq!(all(RetryPolicy::default().max_tries(0), repeat), []);
        }
        assert_eq!(all(RetryPolicy::default(), Stop), []);
    }

    #[test]
    fn a_told_wait_is_lengthened_by_chance_and_never_cut_short() {
        let wait = |policy: RetryPolicy, told| {
            let waits = (0..200).map(|_| policy.waits().next(After(told), Duration::ZERO).unwrap());
            let waits: Vec<_> = waits.collect();
            (*waits.iter().min().unwrap(), *waits.iter().max().unwrap())
        };
        let policy = RetryPolicy::default().base(Duration::from_millis(200));
        let (least, most) = wait(policy, seconds(20));
        assert!(least >= seconds(20) && most <= seconds(22) && most > least + seconds(1));
        let (least, most) = wait(policy, Duration::ZERO);
        assert!(most <= Duration::from_millis(200) && most > least + Duration::from_millis(100));
        let tight = policy.max_single_wait(seconds(20));
        assert_eq!(wait(tight, seconds(20)), (seconds(20), seconds(20)));
        assert_eq!(wait(policy.max_total(seconds(20)), seconds(20)), (seconds(20), seconds(20)));
    }

    #[test]
    fn a_told_wait_without_room_is_not_begun() {
        let next = |policy: RetryPolicy, told, elapsed| policy.waits().next(After(told), elapsed);
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
    fn waits_that_nobody_tells_grow_and_differ() {
        let policy = RetryPolicy::default().base(seconds(1)).factor(3.0).max_total(seconds(600));
        for (times, wait) in (0..).zip(all(policy.max_tries(4), RetryAction::Backoff)) {
            let least = seconds(3_u64.pow(times));
            assert!((least..least * 2).contains(&wait), "{times}: {wait:?}");
        }
        assert_ne!(all(policy, RetryAction::Backoff), all(policy, RetryAction::Backoff));
    }

    #[test]
    fn the_longest_waits_differ_too() {
        let policy = RetryPolicy::default().max_tries(60).max_single_wait(seconds(10));
        let waits = all(policy.max_total(Duration::MAX), RetryAction::Backoff);
        let grown = &waits[6..];
        assert!(grown.iter().all(|wait| (seconds(5)..seconds(10)).contains(wait)), "{waits:?}");
        assert_ne!(grown.first(), grown.last());
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
    fn a_told_wait_does_not_make_the_untold_ones_grow() {
        let mut waits = RetryPolicy::default().base(seconds(1)).waits();
        waits.next(After(seconds(1)), Duration::ZERO).unwrap();
        assert!(waits.next(RetryAction::Backoff, Duration::ZERO).unwrap() < seconds(2));
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
        fn no_policy_and_no_answer_waits_beyond_its_bounds(
            (total, single, base) in (duration(), duration(), duration()),
            factor in any::<f32>(),
            tries in 0..12_u32,
            answers in prop::collection::vec((prop::option::of(duration()), duration()), 0..12),
        ) {
            let policy = RetryPolicy::default().max_tries(tries).max_total(total);
            let policy = policy.max_single_wait(single).base(base).factor(factor);
            let mut waits: Backoff = policy.waits();
            for (times, (told, elapsed)) in (1..).zip(answers) {
                if let Some(wait) = waits.next(told.map_or(RetryAction::Backoff, After), elapsed) {
                    prop_assert!(times < tries);
                    prop_assert!(wait <= single && wait.saturating_add(elapsed) <= total);
                    prop_assert!(told.is_none_or(|told| told <= wait));
                }
            }
        }
    }
}
