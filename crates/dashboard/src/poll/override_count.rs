use std::time::{Duration, Instant};

use ratelog_client::command::{OverrideCursor, OverridePage};

/// The time between two counts.
const PAUSE: Duration = Duration::from_secs(60);

/// The number of a node's overrides that have no end, counted page by page.
#[derive(Debug, Default)]
pub struct OverrideCount {
    /// The result of the last count that is complete.
    without_end: Option<u64>,
    /// The overrides without an end on the pages so far.
    so_far: u64,
    next: Option<OverrideCursor>,
    completed_at: Option<Instant>,
}

impl OverrideCount {
    /// The place of the next page. `None` if it is not time for another count.
    pub fn next_page(&self, now: Instant) -> Option<OverrideCursor> {
        let is_due = self.completed_at.is_none_or(|at| now - at >= PAUSE);
        let first = || OverrideCursor { node: None, cursor: 0 };
        self.next.clone().or_else(|| is_due.then(first))
    }

    /// Adds a page.
    pub fn add(&mut self, page: &OverridePage, now: Instant) {
        let permanent = page.overrides.iter().filter(|listed| listed.key_override.ttl.is_none());
        self.so_far += permanent.count() as u64;
        self.next.clone_from(&page.next);
        if self.next.is_none() {
            self.without_end = Some(std::mem::take(&mut self.so_far));
            self.completed_at = Some(now);
        }
    }

    pub const fn without_end(&self) -> Option<u64> {
        self.without_end
    }
}
