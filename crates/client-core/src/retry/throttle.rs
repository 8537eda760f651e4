use std::time::{Duration, Instant};

use super::{RetryHint, jitter};

/// The jitter at the end of a hold is at most a tenth of the wait, or this if that is more.
const SHORT_WAIT_JITTER: Duration = Duration::from_millis(100);

/// A client-side throttle for requests that share a limit: it holds them back while nothing remains.
///
/// It lets at most as many requests be in flight as the last response said remain, and at least one. To send requests
/// in order, call [`try_acquire`](Self::try_acquire) for one request at a time.
///
/// ```
/// use ratelog_client_core::retry::{Admission, RetryHint, ThrottleState};
/// use std::time::{Duration, Instant};
///
/// let (mut throttle, now) = (ThrottleState::default(), Instant::now());
/// let deadline = now + Duration::from_secs(60);
/// assert_eq!(throttle.try_acquire(now, deadline), Admission::Admitted);
///
/// let five_seconds = Duration::from_secs(5);
/// let hint = RetryHint { retry_after: Some(five_seconds), ..RetryHint::default() };
/// throttle.on_response(true, &hint, now, deadline - now);
/// throttle.release();
/// let admission = throttle.try_acquire(now, deadline);
/// assert!(matches!(admission, Admission::WaitUntil(then) if then >= now + five_seconds));
/// ```
#[derive(Debug, Default)]
pub struct ThrottleState {
    hold: Option<Hold>,
    /// The units that remained after the last response; `None` if it reported no limit.
    remaining: Option<u64>,
    in_flight: u64,
}

/// A period in which nothing remains.
#[derive(Clone, Copy, Debug)]
struct Hold {
    until: Instant,
    /// The end with jitter, because other clients were given the same end.
    resume_at: Instant,
}

/// Whether a request may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Send it. Call [`release`](ThrottleState::release) when it ends.
    Admitted,
    /// Wait until this time, then try again.
    WaitUntil(Instant),
    /// Wait until another request is released, or until the deadline, then try again.
    WaitForRelease,
}

impl ThrottleState {
    /// Starts a request if it may be sent at `now`.
    ///
    /// No request is held back beyond `deadline`. A hold that ends after the deadline holds nothing back, because the
    /// request would have to be sent before it ends.
    pub fn try_acquire(&mut self, now: Instant, deadline: Instant) -> Admission {
        if now < deadline {
            let hold = self.hold.filter(|hold| hold.until <= deadline && now < hold.resume_at);
            if let Some(hold) = hold {
                return Admission::WaitUntil(hold.resume_at.min(deadline));
            }
            if self.remaining.is_some_and(|remaining| self.in_flight >= remaining.max(1)) {
                return Admission::WaitForRelease;
            }
        }
        self.in_flight += 1;
        Admission::Admitted
    }

    /// Records the response to a request that was started. `denied` is whether its status is 429.
    ///
    /// A wait longer than `max_wait`, the longest of any request, is no hold: it would hide the shorter holds of other
    /// limits, and hold nothing back itself.
    pub fn on_response(
        &mut self,
        denied: bool,
        hint: &RetryHint,
        now: Instant,
        max_wait: Duration,
    ) {
        let wait = if denied { hint.wait() } else { hint.exhausted_for };
        let hold = wait.filter(|wait| *wait <= max_wait).and_then(|wait| {
            // One that overflows the clock is longer than any deadline.
            let until = now.checked_add(wait)?;
            Some(Hold { until, resume_at: until.checked_add(jitter(wait, SHORT_WAIT_JITTER))? })
        });
        self.hold = self.hold.into_iter().chain(hold).max_by_key(|hold| hold.until);
        let is_held = self.hold.is_some_and(|hold| now < hold.resume_at);
        let remaining = hint.remaining.or(denied.then_some(0));
        if remaining.is_some() || !is_held {
            self.remaining = remaining;
        }
    }

    /// Ends a request that was started, with or without a response.
    pub fn release(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::{Admission, Duration, Instant, RetryHint, ThrottleState};
    use crate::Clock;

    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);

    fn hint(remaining: Option<u64>, exhausted_for: Option<u32>) -> RetryHint {
        let exhausted_for = exhausted_for.map(|seconds| SECOND * seconds);
        RetryHint { retry_after: None, remaining, exhausted_for }
    }

    /// A throttle whose first request got a response with this hint at `now`.
    fn after(denied: bool, hint: RetryHint, now: Instant) -> ThrottleState {
        let mut throttle = ThrottleState::default();
        assert_eq!(throttle.try_acquire(now, now + MINUTE), Admission::Admitted);
        throttle.on_response(denied, &hint, now, MINUTE);
        throttle.release();
        throttle
    }

    /// The number of requests that may be in flight together, up to three.
    fn concurrency(throttle: &mut ThrottleState, now: Instant) -> usize {
        let deadline = now + MINUTE;
        let is_admitted = |_: &i32| throttle.try_acquire(now, deadline) == Admission::Admitted;
        let admitted = (0..3).take_while(is_admitted).count();
        (0..admitted).for_each(|_| throttle.release());
        admitted
    }

    /// The end of the hold, for a request with a deadline in a minute.
    fn held_until(throttle: &mut ThrottleState, now: Instant) -> Instant {
        match throttle.try_acquire(now, now + MINUTE) {
            Admission::WaitUntil(then) => then,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn clients_with_the_same_wait_resume_at_different_times() {
        let now = Clock::monotonic_now();
        let hold = || held_until(&mut after(false, hint(Some(0), Some(10)), now), now);
        let mut ends: Vec<_> = (0..20).map(|_| hold()).collect();
        assert!(ends.iter().all(|end| (now + SECOND * 10..=now + SECOND * 11).contains(end)));
        ends.sort_unstable();
        ends.dedup();
        assert!(ends.len() > 1);
    }

    #[test]
    fn a_shorter_wait_does_not_end_a_hold_earlier() {
        let now = Clock::monotonic_now();
        let mut throttle = after(false, hint(Some(0), Some(20)), now);
        throttle.on_response(false, &hint(Some(0), Some(5)), now, MINUTE);
        assert!(held_until(&mut throttle, now) >= now + SECOND * 20);
    }

    #[test]
    fn a_wait_longer_than_the_longest_does_not_hide_a_shorter_one() {
        let now = Clock::monotonic_now();
        for waits in [[3600, 5], [5, 3600]] {
            let mut throttle = ThrottleState::default();
            for wait in waits {
                throttle.on_response(false, &hint(Some(0), Some(wait)), now, MINUTE);
            }
            assert!(held_until(&mut throttle, now) >= now + SECOND * 5, "{waits:?}");
        }
    }

    #[test]
    fn no_more_requests_are_in_flight_than_remain() {
        let now = Clock::monotonic_now();
        assert_eq!(concurrency(&mut ThrottleState::default(), now), 3);
        for (denied, hint, count) in [
            (false, hint(Some(2), None), 2),
            (false, hint(Some(0), None), 1),
            (true, RetryHint::default(), 1),
            (true, hint(Some(2), None), 2),
        ] {
            assert_eq!(concurrency(&mut after(denied, hint, now), now), count, "{hint:?}");
        }
    }

    #[test]
    fn a_response_without_limits_lifts_the_bound_after_the_hold() {
        let now = Clock::monotonic_now();
        let mut throttle = after(false, hint(Some(0), Some(10)), now);
        throttle.on_response(false, &RetryHint::default(), now, MINUTE);
        let end = held_until(&mut throttle, now);
        assert_eq!(concurrency(&mut throttle, end), 1);
        throttle.on_response(false, &RetryHint::default(), end, MINUTE);
        assert_eq!(concurrency(&mut throttle, end), 3);
    }

    #[test]
    fn no_request_is_held_beyond_its_deadline() {
        let now = Clock::monotonic_now();
        // The hold ends before the deadline, but its jitter may go beyond it.
        let mut throttle = after(false, hint(Some(0), Some(60)), now);
        assert_eq!(throttle.try_acquire(now, now + MINUTE), Admission::WaitUntil(now + MINUTE));
        assert_eq!(throttle.try_acquire(now + MINUTE, now + MINUTE), Admission::Admitted);
        // The hold ends after the deadline: it holds nothing back, but the bound on requests in flight still applies.
        let mut throttle = after(false, hint(Some(0), Some(61)), now);
        assert_eq!(throttle.try_acquire(now, now + MINUTE), Admission::Admitted);
        assert_eq!(throttle.try_acquire(now, now + MINUTE), Admission::WaitForRelease);
        assert_eq!(throttle.try_acquire(now + MINUTE, now + MINUTE), Admission::Admitted);
    }

    #[test]
    fn a_wait_that_overflows_the_clock_holds_nothing_back() {
        let now = Clock::monotonic_now();
        for seconds in [u64::MAX, i64::MAX.unsigned_abs()] {
            let exhausted_for = Some(Duration::from_secs(seconds));
            let hint = RetryHint { exhausted_for, ..hint(Some(0), None) };
            assert_eq!(concurrency(&mut after(false, hint, now), now), 1);
        }
    }
}
