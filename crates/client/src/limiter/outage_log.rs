//! The log of a server's outages: one record at the start and one at the end of each.

use std::sync::atomic::{AtomicBool, Ordering};

/// The gauge `ratelog.fallback.active` is the number of servers whose outage is logged (feature `metrics`).
#[derive(Debug, Default)]
pub(super) struct OutageLog {
    /// Whether the log says that the server is unavailable, and not yet that it recovered.
    is_open: AtomicBool,
}

impl OutageLog {
    /// Logs the start of an outage, unless it is logged already.
    pub(super) fn unavailable(&self, server: &str, error: &str) {
        if !self.is_open.swap(true, Ordering::AcqRel) {
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

    /// Logs the end of an outage whose start is logged.
    pub(super) fn recovered(&self, server: &str) {
        if self.is_open.swap(false, Ordering::AcqRel) {
            tracing::info!(event = "server_recovered", server, "the server is available again");
            #[cfg(feature = "metrics")]
            metrics::gauge!("ratelog.fallback.active").decrement(1.0);
        }
    }
}

#[cfg(feature = "metrics")]
impl Drop for OutageLog {
    fn drop(&mut self) {
        if *self.is_open.get_mut() {
            metrics::gauge!("ratelog.fallback.active").decrement(1.0);
        }
    }
}
