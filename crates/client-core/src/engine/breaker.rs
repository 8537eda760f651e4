use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::FailureKind;

/// The circuit breaker of one server.
///
/// It is closed while the server answers, open while it does not, and half-open while a probe is in progress. Times are
/// the time of day, for people to read; no transition depends on them.
///
/// While the server answers, a check costs [`is_closed`](Self::is_closed) and
/// [`record_success`](Self::record_success), which are one atomic load each.
///
/// ```
/// use ratelog_client_core::engine::{Breaker, BreakerState, FailureKind};
/// use std::time::SystemTime;
///
/// let now = SystemTime::now();
/// let breaker = Breaker::new(5, now);
/// breaker.begin_probe(now);
/// breaker.record_recovery(now);
/// assert!(breaker.is_closed());
///
/// let error = "the connection was closed".to_owned();
/// assert!(breaker.record_failure(error, FailureKind::ConnectionLost, now));
/// assert_eq!(breaker.status().state, BreakerState::Open);
/// ```
#[derive(Debug)]
pub struct Breaker {
    state: AtomicU8,
    failures: AtomicU32,
    failure_threshold: u32,
    past: Mutex<Past>,
}

#[derive(Debug)]
struct Past {
    since: SystemTime,
    last_error: Option<String>,
    opened: u64,
}

/// The state of a circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// Checks are sent to the server.
    Closed,
    /// Checks are answered by the fallback.
    Open,
    /// Checks are answered by the fallback, and a probe of the server is in progress.
    HalfOpen,
}

/// The state of a circuit breaker and how it got there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerStatus {
    /// The state.
    pub state: BreakerState,
    /// The time since which the server is available ([`BreakerState::Closed`]) or unavailable (the other states).
    pub since: SystemTime,
    /// The most recent error of a check or a probe, no matter how long ago.
    pub last_error: Option<String>,
    /// How many times the breaker opened.
    pub opened: u64,
}

impl Breaker {
    /// A breaker that opens after `failure_threshold` failed checks in a row. It starts open, because there is no
    /// connection yet.
    #[must_use]
    pub const fn new(failure_threshold: u32, now: SystemTime) -> Self {
        Self {
            state: AtomicU8::new(BreakerState::Open as u8),
            failures: AtomicU32::new(0),
            failure_threshold,
            past: Mutex::new(Past { since: now, last_error: None, opened: 0 }),
        }
    }

    /// Whether to send checks to the server.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state.load(Ordering::Acquire) == BreakerState::Closed as u8
    }

    /// Records that the server answered a check.
    pub fn record_success(&self) {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// Records that the server did not answer a check. A lost connection opens the breaker at once.
    ///
    /// Returns whether this call opened the breaker. If it did, start to probe the server.
    #[must_use]
    pub fn record_failure(&self, error: String, kind: FailureKind, now: SystemTime) -> bool {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let mut past = self.past();
        past.last_error = Some(error);
        let opens = kind == FailureKind::ConnectionLost || failures >= self.failure_threshold;
        if !self.is_closed() || !opens {
            return false;
        }
        past.opened += 1;
        self.transition(&mut past, BreakerState::Open, now);
        true
    }

    /// Records that a probe has begun.
    pub fn begin_probe(&self, now: SystemTime) {
        self.transition(&mut self.past(), BreakerState::HalfOpen, now);
    }

    /// Records that the server did not answer a probe.
    pub fn record_probe_failure(&self, error: String, now: SystemTime) {
        let mut past = self.past();
        past.last_error = Some(error);
        self.transition(&mut past, BreakerState::Open, now);
    }

    /// Records that the server answered a probe.
    pub fn record_recovery(&self, now: SystemTime) {
        self.failures.store(0, Ordering::Relaxed);
        self.transition(&mut self.past(), BreakerState::Closed, now);
    }

    /// The most recent error of a check or a probe. Before the first error, a text that says that there was no
    /// connection.
    #[must_use]
    pub fn last_error(&self) -> String {
        let error = self.past().last_error.clone();
        error.unwrap_or_else(|| "no connection has been made yet".to_owned())
    }

    /// The state and how the breaker got there.
    #[must_use]
    pub fn status(&self) -> BreakerStatus {
        let past = self.past();
        BreakerStatus {
            state: self.state(),
            since: past.since,
            last_error: past.last_error.clone(),
            opened: past.opened,
        }
    }

    /// The state.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        BreakerState::from_number(self.state.load(Ordering::Acquire))
    }

    /// `since` does not change between open and half-open, because that is one outage.
    fn transition(&self, past: &mut Past, state: BreakerState, now: SystemTime) {
        let was_closed = self.is_closed();
        if was_closed != (state == BreakerState::Closed) {
            past.since = now;
        }
        self.state.store(state as u8, Ordering::Release);
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BreakerState {
    const fn from_number(number: u8) -> Self {
        if number == Self::Closed as u8 {
            Self::Closed
        } else if number == Self::HalfOpen as u8 {
            Self::HalfOpen
        } else {
            Self::Open
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::FailureKind::{self, ConnectionLost, Transient};
    use super::{Breaker, BreakerState};

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    /// A breaker that closed at second 1.
    fn closed() -> Breaker {
        let breaker = Breaker::new(3, at(0));
        breaker.record_recovery(at(1));
        breaker
    }

    fn fail(breaker: &Breaker, kind: FailureKind) -> bool {
        breaker.record_failure("no answer".to_owned(), kind, at(2))
    }

    #[test]
    fn only_consecutive_failures_open_it() {
        let breaker = closed();
        for _ in 0..5 {
            assert!(!fail(&breaker, Transient) && !fail(&breaker, Transient));
            breaker.record_success();
        }
        assert!(breaker.is_closed());
        assert_eq!([(); 3].map(|()| fail(&breaker, Transient)), [false, false, true]);
        assert!(!breaker.is_closed());
    }

    #[test]
    fn a_lost_connection_opens_it_once() {
        let breaker = closed();
        assert!(fail(&breaker, ConnectionLost));
        // Checks that were in flight fail as well; only one of them may start the probes.
        assert!(!fail(&breaker, ConnectionLost));
        assert_eq!(breaker.status().opened, 1);
    }

    #[test]
    fn a_late_answer_does_not_close_it() {
        let breaker = closed();
        assert!(fail(&breaker, ConnectionLost));
        breaker.record_success();
        assert!(!breaker.is_closed());
    }

    #[test]
    fn an_outage_has_one_beginning_regardless_of_the_number_of_probes() {
        let breaker = closed();
        assert_eq!(breaker.status().since, at(1));
        assert!(fail(&breaker, ConnectionLost));
        for second in [3, 5, 7] {
            breaker.begin_probe(at(second));
            assert_eq!(breaker.status().state, BreakerState::HalfOpen);
            breaker.record_probe_failure("refused".to_owned(), at(second + 1));
            assert_eq!(breaker.status().state, BreakerState::Open);
        }
        assert_eq!(breaker.status().since, at(2));
        assert_eq!(breaker.last_error(), "refused");
        breaker.begin_probe(at(9));
        breaker.record_recovery(at(10));
        assert_eq!(breaker.status().state, BreakerState::Closed);
        assert_eq!(breaker.status().since, at(10));
    }
}
