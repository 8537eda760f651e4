use std::time::{Duration, Instant};

use super::{RetryHint, jitter};

/// The least that the end of a hold is put off by chance at most.
const SPREAD: Duration = Duration::from_millis(100);

/// Requests that share a limit, held back while nothing is left.
///
/// No more of them are under way at a time than the last answer said were left; one, if none were. For them to go in the
/// order in which they came, its user has one after the other ask for its turn.
///
/// ```
/// use ratelog_client_core::retry::{RetryHint, ThrottleState, Admission};
/// use std::time::{Duration, Instant};
///
/// let (mut lane, now) = (ThrottleState::default(), Instant::now());
/// let latest = now + Duration::from_secs(60);
/// assert_eq!(lane.enter(now, latest), Admission::Now);
/// let told = RetryHint { retry_after: Some(Duration::from_secs(5)), ..RetryHint::default() };
/// lane.answered(true, &told, now);
/// lane.left();
/// assert!(matches!(lane.enter(now, latest), Admission::At(then) if then >= now + Duration::from_secs(5)));
/// ```
#[derive(Debug, Default)]
pub struct ThrottleState {
    hold: Option<Hold>,
    /// What the last answer said was left; `None` if it spoke of no limit.
    left: Option<u64>,
    under_way: u64,
}

/// A time for which nothing is left.
#[derive(Clone, Copy, Debug)]
struct Hold {
    until: Instant,
    /// When requests go on: others were told the same.
    over: Instant,
}

/// When a request may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Now: it has begun.
    Now,
    /// Not before this time, when it is to ask again.
    At(Instant),
    /// Not before another request has left, when it is to ask again; and at the latest time that it gave.
    AfterAnother,
}

impl ThrottleState {
    /// Begins a request at `now`, if it may be sent. None is held back beyond `latest`, nor for a hold that goes on for
    /// longer.
    pub fn enter(&mut self, now: Instant, latest: Instant) -> Admission {
        if now < latest {
            if let Some(hold) = self.hold.filter(|hold| hold.until <= latest && now < hold.over) {
                return Admission::At(hold.over.min(latest));
            }
            if self.left.is_some_and(|left| self.under_way >= left.max(1)) {
                return Admission::AfterAnother;
            }
        }
        self.under_way += 1;
        Admission::Now
    }

    /// The answer to a request that was begun is there, at `now`, and says `hint`; `refused` if it was a refusal.
    pub fn answered(&mut self, refused: bool, hint: &RetryHint, now: Instant) {
        let told = if refused { hint.wait() } else { hint.exhausted_for };
        // What no clock can tell is longer than anyone waits.
        let hold = told.and_then(|told| {
            let until = now.checked_add(told)?;
            Some(Hold { until, over: until.checked_add(jitter(told, SPREAD))? })
        });
        self.hold = self.hold.into_iter().chain(hold).max_by_key(|hold| hold.until);
        let held = self.hold.is_some_and(|hold| now < hold.over);
        let left = hint.remaining.or(refused.then_some(0));
        if left.is_some() || !held {
            self.left = left;
        }
    }

    /// A request that was begun is over, answered or not.
    pub fn left(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::{Admission, Duration, Instant, RetryHint, ThrottleState};

    const SECOND: Duration = Duration::from_secs(1);

    fn told(remaining: Option<u64>, seconds: Option<u32>) -> RetryHint {
        let exhausted_for = seconds.map(|seconds| SECOND * seconds);
        RetryHint { retry_after: None, remaining, exhausted_for }
    }

    /// A lane, at `now`, whose first request was answered with `hint`.
    fn after(refused: bool, hint: RetryHint, now: Instant) -> ThrottleState {
        let mut lane = ThrottleState::default();
        assert_eq!(lane.enter(now, now + SECOND * 60), Admission::Now);
        lane.answered(refused, &hint, now);
        lane.left();
        lane
    }

    /// How many more can be under way together, up to three.
    fn at_once(lane: &mut ThrottleState, now: Instant) -> usize {
        let begun =
            (0..3).take_while(|_| lane.enter(now, now + SECOND * 60) == Admission::Now).count();
        (0..begun).for_each(|_| lane.left());
        begun
    }

    /// Until when a request is held back that waits for a minute at most.
    fn held(lane: &mut ThrottleState, now: Instant) -> Instant {
        match lane.enter(now, now + SECOND * 60) {
            Admission::At(then) => then,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn those_who_were_told_the_same_go_on_at_different_times() {
        let now = Instant::now();
        let hold = || held(&mut after(false, told(Some(0), Some(10)), now), now);
        let mut ends: Vec<_> = (0..20).map(|_| hold()).collect();
        assert!(ends.iter().all(|end| (now + SECOND * 10..=now + SECOND * 11).contains(end)));
        ends.sort_unstable();
        ends.dedup();
        assert!(ends.len() > 1);
    }

    #[test]
    fn a_hold_ends_no_earlier_for_a_shorter_one() {
        let now = Instant::now();
        let mut lane = after(false, told(Some(0), Some(20)), now);
        lane.answered(false, &told(Some(0), Some(5)), now);
        assert!(held(&mut lane, now) >= now + SECOND * 20);
    }

    #[test]
    fn no_more_go_at_once_than_were_left() {
        let now = Instant::now();
        assert_eq!(at_once(&mut ThrottleState::default(), now), 3);
        for (refused, hint, count) in [
            (false, told(Some(2), None), 2),
            (false, told(Some(0), None), 1),
            (true, RetryHint::default(), 1),
            (true, told(Some(2), None), 2),
        ] {
            assert_eq!(at_once(&mut after(refused, hint, now), now), count, "{hint:?}");
        }
    }

    #[test]
    fn an_answer_without_limits_ends_the_queue_once_the_hold_is_over() {
        let now = Instant::now();
        let mut lane = after(false, told(Some(0), Some(10)), now);
        lane.answered(false, &RetryHint::default(), now);
        let over = held(&mut lane, now);
        assert_eq!(at_once(&mut lane, over), 1);
        lane.answered(false, &RetryHint::default(), over);
        assert_eq!(at_once(&mut lane, over), 3);
    }

    #[test]
    fn nobody_is_held_beyond_the_latest_time_that_he_gave() {
        let (now, minute) = (Instant::now(), SECOND * 60);
        // What ends within the time may be put off beyond it.
        let mut lane = after(false, told(Some(0), Some(60)), now);
        assert_eq!(lane.enter(now, now + minute), Admission::At(now + minute));
        assert_eq!(lane.enter(now + minute, now + minute), Admission::Now);
        // What does not is not waited for, but in turn.
        let mut lane = after(false, told(Some(0), Some(61)), now);
        assert_eq!(lane.enter(now, now + minute), Admission::Now);
        assert_eq!(lane.enter(now, now + minute), Admission::AfterAnother);
        assert_eq!(lane.enter(now + minute, now + minute), Admission::Now);
    }

    #[test]
    fn a_hold_beyond_the_clock_holds_nothing_back() {
        let now = Instant::now();
        for seconds in [u64::MAX, i64::MAX.unsigned_abs()] {
            let exhausted_for = Some(Duration::from_secs(seconds));
            let hint = RetryHint { exhausted_for, ..told(Some(0), None) };
            assert_eq!(at_once(&mut after(false, hint, now), now), 1);
        }
    }
}
