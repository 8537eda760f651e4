//! The waits before the first probe of an outage that follows soon after a recovery.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ratelog_client_core::engine::ProbeBackoff;

/// Delays the probes of a server that answers them and fails at checks: it is not probed without pause.
pub(super) struct Relapses {
    min_wait: Duration,
    max_wait: Duration,
    state: Mutex<State>,
}

struct State {
    recovered_at: Option<Instant>,
    waits: ProbeBackoff,
}

impl Relapses {
    /// The bounds are those of the waits between two probes.
    pub(super) fn new(min_wait: Duration, max_wait: Duration) -> Self {
        let state = State { recovered_at: None, waits: ProbeBackoff::new(min_wait, max_wait) };
        Self { min_wait, max_wait, state: Mutex::new(state) }
    }

    pub(super) fn record_recovery(&self, now: Instant) {
        self.state().recovered_at = Some(now);
    }

    /// The wait before the first probe of an outage that begins now: none, unless the last recovery is recent.
    pub(super) fn next_wait(&self, now: Instant) -> Duration {
        let mut state = self.state();
        let is_stable = state
            .recovered_at
            .is_none_or(|then| now.saturating_duration_since(then) > 2 * self.max_wait);
        if is_stable {
            state.waits = ProbeBackoff::new(self.min_wait, self.max_wait);
            return Duration::ZERO;
        }
        state.waits.next().unwrap_or(self.max_wait)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ratelog_client_core::Clock;

    use super::Relapses;

    #[test]
    fn an_outage_soon_after_a_recovery_is_probed_later_each_time() {
        let (min, max) = (Duration::from_millis(100), Duration::from_millis(800));
        let (relapses, start) = (Relapses::new(min, max), Clock::monotonic_now());
        assert_eq!(relapses.next_wait(start), Duration::ZERO);
        relapses.record_recovery(start);
        let waits: Vec<_> = (0..9).map(|_| relapses.next_wait(start + 2 * max)).collect();
        // The jitter at most doubles a wait.
        assert!(waits.iter().all(|wait| (min..=2 * max).contains(wait)), "{waits:?}");
        assert!(waits[8] >= max, "{waits:?}");
        // A server that was available for long is probed at once, and begins anew.
        let later = start + 2 * max + Duration::from_nanos(1);
        assert_eq!(relapses.next_wait(later), Duration::ZERO);
        relapses.record_recovery(later);
        assert!(relapses.next_wait(later) <= 2 * min);
    }
}
