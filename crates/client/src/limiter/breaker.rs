//! The circuit breaker: whether the server is asked at all.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::health::{Health, State};

/// Closed while checks are answered, open while they are not, half-open while a probe is on its way.
///
/// Only the first question of each check is on its usual path: is it closed? That is one load.
pub(super) struct Breaker {
    state: AtomicU8,
    failures: AtomicU32,
    threshold: u32,
    history: Mutex<History>,
}

struct History {
    since: SystemTime,
    last_error: Option<String>,
    opened: u64,
}

impl Breaker {
    /// Open, as there is no connection yet.
    pub(super) fn new(threshold: u32) -> Self {
        Self {
            state: AtomicU8::new(State::Open as u8),
            failures: AtomicU32::new(0),
            threshold,
            history: Mutex::new(History { since: SystemTime::now(), last_error: None, opened: 0 }),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state.load(Ordering::Acquire) == State::Closed as u8
    }

    /// A check was answered.
    pub(super) fn succeeded(&self) {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// A check was not answered; `lost` says that none will be on this connection. Answers whether that opened it: the
    /// caller then has to see to its recovery.
    pub(super) fn failed(&self, error: String, lost: bool) -> bool {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let mut history = self.history();
        history.last_error = Some(error);
        if !self.is_closed() || (!lost && failures < self.threshold) {
            return false;
        }
        history.opened += 1;
        self.turn(&mut history, State::Open);
        true
    }

    /// A probe is on its way.
    pub(super) fn probing(&self) {
        self.turn(&mut self.history(), State::HalfOpen);
    }

    /// A probe was not answered.
    pub(super) fn probe_failed(&self, error: String) {
        let mut history = self.history();
        history.last_error = Some(error);
        self.turn(&mut history, State::Open);
    }

    /// A probe was answered.
    pub(super) fn recovered(&self) {
        self.failures.store(0, Ordering::Relaxed);
        self.turn(&mut self.history(), State::Closed);
    }

    pub(super) fn last_error(&self) -> String {
        let error = self.history().last_error.clone();
        error.unwrap_or_else(|| "no connection has been made yet".to_owned())
    }

    pub(super) fn health(&self) -> Health {
        let history = self.history();
        Health {
            state: State::of(self.state.load(Ordering::Acquire)),
            last_error: history.last_error.clone(),
            opened: history.opened,
            ..Health::alone(history.since)
        }
    }

    /// Half-open and open again are one spell away from the server, so `since` stays.
    fn turn(&self, history: &mut History, state: State) {
        let was_closed = self.is_closed();
        if was_closed != (state == State::Closed) {
            history.since = SystemTime::now();
        }
        self.state.store(state as u8, Ordering::Release);
    }

    fn history(&self) -> std::sync::MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Breaker;
    use crate::limiter::State;

    fn closed() -> Breaker {
        let breaker = Breaker::new(3);
        breaker.recovered();
        breaker
    }

    fn fails(breaker: &Breaker, lost: bool) -> bool {
        breaker.failed("no answer".to_owned(), lost)
    }

    #[test]
    fn failures_open_it_only_in_a_row() {
        let breaker = closed();
        for _ in 0..5 {
            assert!(!fails(&breaker, false) && !fails(&breaker, false));
            breaker.succeeded();
        }
        assert!(breaker.is_closed());
        assert_eq!([(); 3].map(|()| fails(&breaker, false)), [false, false, true]);
        assert!(!breaker.is_closed());
    }

    #[test]
    fn a_lost_connection_opens_it_once() {
        let breaker = closed();
        assert!(fails(&breaker, true));
        // What was under way still fails: one recovery is enough.
        assert!(!fails(&breaker, true));
        assert_eq!(breaker.health().opened, 1);
    }

    #[test]
    fn a_late_answer_does_not_close_it() {
        let breaker = closed();
        fails(&breaker, true);
        breaker.succeeded();
        assert!(!breaker.is_closed());
    }

    #[test]
    fn one_absence_has_one_beginning_however_many_probes_it_takes() {
        let breaker = closed();
        fails(&breaker, true);
        let since = breaker.health().since;
        for _ in 0..3 {
            breaker.probing();
            assert_eq!(breaker.health().state, State::HalfOpen);
            breaker.probe_failed("refused".to_owned());
            assert_eq!(breaker.health().state, State::Open);
        }
        assert_eq!(breaker.health().since, since);
        assert_eq!(breaker.last_error(), "refused");
        breaker.probing();
        breaker.recovered();
        assert_eq!(breaker.health().state, State::Closed);
        assert!(breaker.health().since >= since);
    }
}
