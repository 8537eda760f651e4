//! The log of a server's outages: one record at the start and one at the end of each.

use std::sync::atomic::{AtomicU8, Ordering};

/// The log has no outage, or both ends of the last one.
const CLOSED: u8 = 0;
/// The log says that the server is unavailable, and not yet that it recovered.
const OPEN: u8 = 1;
/// Like `OPEN`, and other servers took the place of this one.
const REPLACED: u8 = 2;
/// Nothing is logged any more.
const ENDED: u8 = 3;

/// The gauge `ratelog.fallback.active` is the number of servers whose outage is logged (feature `metrics`).
#[derive(Debug, Default)]
pub(super) struct OutageLog {
    state: AtomicU8,
}

impl OutageLog {
    /// Logs the start of an outage, unless it is logged already.
    pub(super) fn unavailable(&self, server: &str, error: &str) {
        if self.change(CLOSED, OPEN) {
            tracing::warn!(
                event = "server_unavailable",
                server,
                error,
                "the server is unavailable: the fallback answers until it recovers"
            );
            #[cfg(feature = "metrics")]
            metrics::gauge!("ratelog.fallback.active").increment(1.0);
        }
    }

    /// Logs the end of an outage whose start is logged. Returns whether there was one.
    pub(super) fn recovered(&self, server: &str) -> bool {
        let has_ended = self.change(OPEN, CLOSED);
        if has_ended {
            log_recovery(server);
        }
        has_ended
    }

    /// Logs nothing from now on, except the end of the outage in progress. Returns whether there is one.
    pub(super) fn leave(&self) -> bool {
        let next = |state| match state {
            OPEN => Some(REPLACED),
            CLOSED => Some(ENDED),
            _ => None,
        };
        self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) == Ok(OPEN)
    }

    /// Logs the end of the outage of a server that has left: other servers do its work.
    pub(super) fn replaced(&self, server: &str) {
        if self.change(REPLACED, ENDED) {
            log_recovery(server);
        }
    }

    fn change(&self, from: u8, to: u8) -> bool {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

fn log_recovery(server: &str) {
    tracing::info!(event = "server_recovered", server, "the server is available again");
    #[cfg(feature = "metrics")]
    metrics::gauge!("ratelog.fallback.active").decrement(1.0);
}

#[cfg(feature = "metrics")]
impl Drop for OutageLog {
    fn drop(&mut self) {
        if matches!(*self.state.get_mut(), OPEN | REPLACED) {
            metrics::gauge!("ratelog.fallback.active").decrement(1.0);
        }
    }
}
