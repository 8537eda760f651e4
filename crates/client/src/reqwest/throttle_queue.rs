use std::sync::{Mutex, MutexGuard, PoisonError};

use ratelog_client_core::retry::Admission;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::retry::RetryHint;

/// Requests that share a limit, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct ThrottleQueue {
    /// Held by the request whose turn is next.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<ratelog_client_core::retry::ThrottleState>,
    /// Told to that request when another is over.
    answered: Notify,
}

/// A request that is under way.
#[derive(Debug)]
pub(super) struct Permit<'a>(&'a ThrottleQueue);

impl ThrottleQueue {
    /// Backoff until a request may be sent: at most until `latest`, and not for a hold that goes on for longer.
    pub(super) async fn enter(&self, latest: Instant) -> Permit<'_> {
        if timeout_at(latest, self.wait_for_turn(latest)).await.is_err() {
            // Held back no longer, it begins at once.
            self.state().enter(latest.into_std(), latest.into_std());
        }
        Permit(self)
    }

    async fn wait_for_turn(&self, latest: Instant) {
        let _turn = self.turn.lock().await;
        loop {
            let turn = self.state().enter(Instant::now().into_std(), latest.into_std());
            match turn {
                Admission::Now => return,
                Admission::At(then) => sleep_until(then.into()).await,
                Admission::AfterAnother => self.answered.notified().await,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, ratelog_client_core::retry::ThrottleState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// The request's answer is there, and says `hint`; `refused` if it was a refusal.
    pub(super) fn answered(&self, refused: bool, hint: &RetryHint) {
        self.0.state().answered(refused, hint, Instant::now().into_std());
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.state().left();
        self.0.answered.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::{Instant, Permit, RetryHint, ThrottleQueue};
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    /// A lane whose first request was told that nothing is left, and for how many seconds.
    async fn exhausted(seconds: Option<u32>) -> ThrottleQueue {
        let lane = ThrottleQueue::default();
        let exhausted_for = seconds.map(|seconds| SECOND * seconds);
        let hint = RetryHint { retry_after: None, remaining: Some(0), exhausted_for };
        enter(&lane).await.answered(false, &hint);
        lane
    }

    async fn enter(lane: &ThrottleQueue) -> Permit<'_> {
        lane.enter(Instant::now() + SECOND * 60).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_hold_is_waited_for() {
        let lane = exhausted(Some(20)).await;
        let start = Instant::now();
        enter(&lane).await;
        let waited = start.elapsed();
        assert!((SECOND * 20..SECOND * 23).contains(&waited), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_over_lets_the_next_go() {
        let lane = exhausted(None).await;
        let (start, first) = (Instant::now(), enter(&lane).await);
        let over = async {
            tokio::task::yield_now().await;
            drop(first);
        };
        tokio::join!(enter(&lane), over);
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_too_long_for_a_request_that_is_never_answered() {
        let lane = exhausted(None).await;
        let start = Instant::now();
        let _stuck = enter(&lane).await;
        let (_one, _other) = tokio::join!(enter(&lane), enter(&lane));
        let waited = start.elapsed();
        assert!((SECOND * 60..SECOND * 61).contains(&waited), "{waited:?}");
    }
}
