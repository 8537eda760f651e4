use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// The circuit breaker of one server: closed while checks are answered, open while they are not, half-open while a probe
/// is on its way.
///
/// Only the first question of each check is on its usual path: is it closed? That is one load.
///
/// ```
/// use ratelog_client_core::{Breaker, State};
///
/// let breaker = Breaker::new(5);
/// breaker.probing();
/// breaker.recovered();
/// assert!(breaker.is_closed());
/// assert!(breaker.failed("the connection was closed".to_owned(), true));
/// assert_eq!(breaker.history().state, State::Open);
/// ```
#[derive(Debug)]
pub struct Breaker {
    state: AtomicU8,
    failures: AtomicU32,
    threshold: u32,
    past: Mutex<Past>,
}

#[derive(Debug)]
struct Past {
    since: SystemTime,
    last_error: Option<String>,
    opened: u64,
}

/// A circuit breaker's states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The server is asked.
    Closed,
    /// It is not: the fallback answers.
    Open,
    /// It is not, but a probe is on its way.
    HalfOpen,
}

/// What a circuit breaker has come through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerStatus {
    /// Its state.
    pub state: State,
    /// Since when the server is there ([`State::Closed`]), or away (the others).
    pub since: SystemTime,
    /// The last error of a check or a probe, even if it is long over.
    pub last_error: Option<String>,
    /// How often the server went away.
    pub opened: u64,
}

impl Breaker {
    /// One that opens after `threshold` checks in a row without an answer. Open, as there is no connection yet.
    #[must_use]
    pub fn new(threshold: u32) -> Self {
        Self {
            state: AtomicU8::new(State::Open as u8),
            failures: AtomicU32::new(0),
            threshold,
            past: Mutex::new(Past { since: SystemTime::now(), last_error: None, opened: 0 }),
        }
    }

    /// Whether the server is asked.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state.load(Ordering::Acquire) == State::Closed as u8
    }

    /// A check was answered.
    pub fn succeeded(&self) {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// A check was not answered; `lost` says that none will be on this connection. Answers whether that opened it: the
    /// caller then has to see to its recovery.
    pub fn failed(&self, error: String, lost: bool) -> bool {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let mut past = self.past();
        past.last_error = Some(error);
        if !self.is_closed() || (!lost && failures < self.threshold) {
            return false;
        }
        past.opened += 1;
        self.turn(&mut past, State::Open);
        true
    }

    /// A probe is on its way.
    pub fn probing(&self) {
        self.turn(&mut self.past(), State::HalfOpen);
    }

    /// A probe was not answered.
    pub fn record_probe_failure(&self, error: String) {
        let mut past = self.past();
        past.last_error = Some(error);
        self.turn(&mut past, State::Open);
    }

    /// A probe was answered.
    pub fn recovered(&self) {
        self.failures.store(0, Ordering::Relaxed);
        self.turn(&mut self.past(), State::Closed);
    }

    /// The last error of a check or a probe; a text that says so if there was none.
    #[must_use]
    pub fn last_error(&self) -> String {
        let error = self.past().last_error.clone();
        error.unwrap_or_else(|| "no connection has been made yet".to_owned())
    }

    /// What it has come through.
    #[must_use]
    pub fn history(&self) -> BreakerStatus {
        let past = self.past();
        BreakerStatus {
            state: self.state(),
            since: past.since,
            last_error: past.last_error.clone(),
            opened: past.opened,
        }
    }

    /// Its state.
    #[must_use]
    pub fn state(&self) -> State {
        State::of(self.state.load(Ordering::Acquire))
    }

    /// Half-open and open again are one spell away from the server, so `since` stays.
    fn turn(&self, past: &mut Past, state: State) {
        let was_closed = self.is_closed();
        if was_closed != (state == State::Closed) {
            past.since = SystemTime::now();
        }
        self.state.store(state as u8, Ordering::Release);
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    const fn of(number: u8) -> Self {
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
    use super::{Breaker, State};

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
        assert_eq!(breaker.history().opened, 1);
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
        let since = breaker.history().since;
        for _ in 0..3 {
            breaker.probing();
            assert_eq!(breaker.history().state, State::HalfOpen);
            breaker.record_probe_failure("refused".to_owned());
            assert_eq!(breaker.history().state, State::Open);
        }
        assert_eq!(breaker.history().since, since);
        assert_eq!(breaker.last_error(), "refused");
        breaker.probing();
        breaker.recovered();
        assert_eq!(breaker.history().state, State::Closed);
        assert!(breaker.history().since >= since);
    }
}
