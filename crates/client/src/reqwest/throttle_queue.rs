use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ratelog_client_core::retry::{Admission, ThrottleState};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::retry::RetryHint;

/// The requests that share a limit, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct ThrottleQueue {
    /// Locked by the request at the head of the queue.
    head: tokio::sync::Mutex<()>,
    state: Mutex<ThrottleState>,
    /// Notifies the head when a permit is released.
    released: Notify,
}

/// The permission to send one request, released on drop.
#[derive(Debug)]
pub(super) struct Permit<'a>(&'a ThrottleQueue);

impl ThrottleQueue {
    /// Waits until a request may be sent, at most until `deadline`.
    pub(super) async fn acquire(&self, deadline: Instant) -> Permit<'_> {
        if timeout_at(deadline, self.wait_for_turn(deadline)).await.is_err() {
            // At the deadline the state admits every request, and counts it.
            self.state().try_acquire(deadline.into_std(), deadline.into_std());
        }
        Permit(self)
    }

    async fn wait_for_turn(&self, deadline: Instant) {
        let _head = self.head.lock().await;
        loop {
            let now = Instant::now().into_std();
            let admission = self.state().try_acquire(now, deadline.into_std());
            match admission {
                Admission::Admitted => return,
                Admission::WaitUntil(then) => sleep_until(then.into()).await,
                Admission::WaitForRelease => self.released.notified().await,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, ThrottleState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// Records the response to the request. `denied` is whether its status is 429, and `max_wait` the longest wait of any
    /// request.
    pub(super) fn on_response(&self, denied: bool, hint: &RetryHint, max_wait: Duration) {
        self.0.state().on_response(denied, hint, Instant::now().into_std(), max_wait);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.state().release();
        self.0.released.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Instant, Permit, RetryHint, ThrottleQueue};

    const SECOND: Duration = Duration::from_secs(1);

    /// A queue whose first response said that nothing remains, and for how many seconds.
    async fn exhausted(seconds: Option<u32>) -> ThrottleQueue {
        let queue = ThrottleQueue::default();
        let exhausted_for = seconds.map(|seconds| SECOND * seconds);
        let hint = RetryHint { retry_after: None, remaining: Some(0), exhausted_for };
        acquire(&queue).await.on_response(false, &hint, SECOND * 60);
        queue
    }

    async fn acquire(queue: &ThrottleQueue) -> Permit<'_> {
        queue.acquire(Instant::now() + SECOND * 60).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_waits_for_the_end_of_a_hold() {
        let queue = exhausted(Some(20)).await;
        let start = Instant::now();
        acquire(&queue).await;
        let waited = start.elapsed();
        assert!((SECOND * 20..SECOND * 23).contains(&waited), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_released_permit_admits_the_next_request() {
        let queue = exhausted(None).await;
        let (start, first) = (Instant::now(), acquire(&queue).await);
        let release = async {
            tokio::task::yield_now().await;
            drop(first);
        };
        tokio::join!(acquire(&queue), release);
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_without_a_response_holds_others_until_their_deadline() {
        let queue = exhausted(None).await;
        let start = Instant::now();
        let _stuck = acquire(&queue).await;
        let (_one, _other) = tokio::join!(acquire(&queue), acquire(&queue));
        let waited = start.elapsed();
        assert!((SECOND * 60..SECOND * 61).contains(&waited), "{waited:?}");
    }
}
