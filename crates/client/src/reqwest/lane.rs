use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::retry::{Hint, spread};

/// The least that the end of a hold is put off by chance at most.
const SPREAD: Duration = Duration::from_millis(100);

/// Requests that share a limit.
///
/// They go in the order in which they came, and no more at a time than the last answer said were left; one, if none
/// were.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// Held by the request whose turn is next.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    /// Told to that request when another has its answer.
    answered: Notify,
}

#[derive(Debug, Default)]
struct State {
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

/// A request that is under way.
#[derive(Debug)]
pub(super) struct Ride<'a>(&'a Lane);

impl Lane {
    /// Waits until a request may be sent: at most until `latest`, and not for a hold that goes on for longer.
    pub(super) async fn enter(&self, latest: Instant) -> Ride<'_> {
        let ride = timeout_at(latest, self.wait_for_turn(latest)).await;
        ride.unwrap_or_else(|_| self.begin(&mut self.state()))
    }

    async fn wait_for_turn(&self, latest: Instant) -> Ride<'_> {
        let _turn = self.turn.lock().await;
        loop {
            let hold = {
                let mut state = self.state();
                let hold =
                    state.hold.filter(|hold| hold.until <= latest && Instant::now() < hold.over);
                if hold.is_none() && state.left.is_none_or(|left| state.under_way < left.max(1)) {
                    return self.begin(&mut state);
                }
                hold
            };
            match hold {
                Some(hold) => sleep_until(hold.over).await,
                None => self.answered.notified().await,
            }
        }
    }

    fn begin(&self, state: &mut State) -> Ride<'_> {
        state.under_way += 1;
        Ride(self)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ride<'_> {
    /// The request's answer is there, and says `hint`; `refused` if it was a refusal.
    pub(super) fn answered(&self, refused: bool, hint: &Hint) {
        let now = Instant::now();
        let told = if refused { hint.wait() } else { hint.exhausted_for };
        // What no clock can tell is longer than anyone waits.
        let hold = told.and_then(|told| {
            let until = now.checked_add(told)?;
            Some(Hold { until, over: until.checked_add(spread(told, SPREAD))? })
        });
        let mut state = self.0.state();
        state.hold = state.hold.into_iter().chain(hold).max_by_key(|hold| hold.until);
        let held = state.hold.is_some_and(|hold| now < hold.over);
        let left = hint.remaining.or(refused.then_some(0));
        if left.is_some() || !held {
            state.left = left;
        }
    }
}

impl Drop for Ride<'_> {
    fn drop(&mut self) {
        self.0.state().under_way -= 1;
        self.0.answered.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Hint, Instant, Lane, Ride};
    use tokio::time::timeout;

    const SECOND: Duration = Duration::from_secs(1);

    fn told(remaining: Option<u64>, seconds: Option<u32>) -> Hint {
        let exhausted_for = seconds.map(|seconds| SECOND * seconds);
        Hint { retry_after: None, remaining, exhausted_for }
    }

    /// A lane whose first request was answered with `hint`.
    async fn after(refused: bool, hint: Hint) -> Lane {
        let lane = Lane::default();
        enter(&lane).await.answered(refused, &hint);
        lane
    }

    async fn enter(lane: &Lane) -> Ride<'_> {
        lane.enter(Instant::now() + SECOND * 60).await
    }

    /// How many can be under way together, up to three, without anybody's waiting.
    async fn at_once(lane: &Lane) -> usize {
        let mut rides = Vec::new();
        while let Ok(ride) = timeout(Duration::ZERO, enter(lane)).await
            && rides.len() < 3
        {
            rides.push(ride);
        }
        rides.len()
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_were_told_the_same_go_on_at_different_times() {
        let mut times = Vec::new();
        for _ in 0..20 {
            let lane = after(false, told(Some(0), Some(10))).await;
            let start = Instant::now();
            enter(&lane).await;
            times.push(start.elapsed());
        }
        assert!(times.iter().all(|time| (SECOND * 10..=SECOND * 11).contains(time)), "{times:?}");
        times.sort_unstable();
        times.dedup();
        assert!(times.len() > 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hold_ends_no_earlier_for_a_shorter_one() {
        let (lane, start) = (Lane::default(), Instant::now());
        let (one, other) = (enter(&lane).await, enter(&lane).await);
        one.answered(false, &told(Some(0), Some(20)));
        other.answered(false, &told(Some(0), Some(5)));
        drop((one, other));
        enter(&lane).await;
        assert!(start.elapsed() >= SECOND * 20);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_go_at_once_than_were_left() {
        assert_eq!(at_once(&Lane::default()).await, 3);
        assert_eq!(at_once(&after(false, told(Some(2), None)).await).await, 2);
        assert_eq!(at_once(&after(false, told(Some(0), None)).await).await, 1);
        assert_eq!(at_once(&after(true, Hint::default()).await).await, 1);
        assert_eq!(at_once(&after(true, told(Some(2), None)).await).await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_without_limits_ends_the_queue_once_the_hold_is_over() {
        let lane = Lane::default();
        let (one, other) = (enter(&lane).await, enter(&lane).await);
        one.answered(false, &told(Some(0), Some(10)));
        other.answered(false, &Hint::default());
        drop((one, other));
        let first = enter(&lane).await;
        assert_eq!(at_once(&lane).await, 0);
        first.answered(false, &Hint::default());
        drop(first);
        assert_eq!(at_once(&lane).await, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_too_long_for_a_request_that_is_never_answered() {
        let lane = after(false, told(Some(0), None)).await;
        let start = Instant::now();
        let _stuck = enter(&lane).await;
        let (_one, _other) = tokio::join!(enter(&lane), enter(&lane));
        let waited = start.elapsed();
        assert!((SECOND * 60..SECOND * 61).contains(&waited), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_hold_beyond_the_clock_holds_nothing_back() {
        for seconds in [u64::MAX, i64::MAX.unsigned_abs()] {
            let exhausted_for = Some(Duration::from_secs(seconds));
            let hint = Hint { exhausted_for, ..told(Some(0), None) };
            assert_eq!(at_once(&after(false, hint).await).await, 1);
        }
    }
}
