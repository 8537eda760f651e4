//! The part of a server that answers checks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::fallback::Backend;

/// How often a server without the module is asked whether it has been loaded since.
const INTERVAL: Duration = Duration::from_secs(30);

/// Chooses between the script and the module.
pub(super) struct Dialect {
    backend: Backend,
    uses_script: AtomicBool,
    /// When the server was last asked for the module.
    asked_at: Mutex<Option<Instant>>,
}

impl Dialect {
    pub(super) const fn new(backend: Backend) -> Self {
        let uses_script = AtomicBool::new(matches!(backend, Backend::Script));
        Self { backend, uses_script, asked_at: Mutex::new(None) }
    }

    pub(super) fn uses_script(&self) -> bool {
        self.uses_script.load(Ordering::Relaxed)
    }

    pub(super) fn requires_module(&self) -> bool {
        self.backend == Backend::Module
    }

    /// Records whether the server has the module.
    pub(super) fn record(&self, has_module: bool, now: Instant) {
        let uses_script = match self.backend {
            Backend::Auto => !has_module,
            Backend::Module => false,
            Backend::Script => true,
        };
        self.uses_script.store(uses_script, Ordering::Relaxed);
        *self.asked_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// Returns whether to ask a server without the module for it again: once in each interval.
    pub(super) fn should_ask(&self, now: Instant) -> bool {
        if self.backend != Backend::Auto || !self.uses_script() {
            return false;
        }
        let mut asked_at = self.asked_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = asked_at.is_none_or(|then| now.saturating_duration_since(then) >= INTERVAL);
        if is_due {
            *asked_at = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ratelog_client_core::Clock;

    use super::{Backend, Dialect, INTERVAL};

    #[test]
    fn a_server_without_the_module_is_asked_once_in_an_interval() {
        let (dialect, start) = (Dialect::new(Backend::Auto), Clock::monotonic_now());
        assert!(!dialect.should_ask(start + 9 * INTERVAL));
        dialect.record(false, start);
        assert!(dialect.uses_script());
        let asked = [0, 29_999, 30_000, 30_001, 59_999, 60_000]
            .map(|millis| dialect.should_ask(start + Duration::from_millis(millis)));
        assert_eq!(asked, [false, false, true, false, false, true]);
        dialect.record(true, start);
        assert!(!dialect.should_ask(start + 9 * INTERVAL));
    }

    #[test]
    fn a_chosen_backend_stays() {
        for (backend, uses_script) in [(Backend::Module, false), (Backend::Script, true)] {
            let (dialect, now) = (Dialect::new(backend), Clock::monotonic_now());
            for has_module in [false, true] {
                dialect.record(has_module, now);
                assert_eq!(dialect.uses_script(), uses_script);
                assert!(!dialect.should_ask(now + 9 * INTERVAL));
            }
        }
    }
}
