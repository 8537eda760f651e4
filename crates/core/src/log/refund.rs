use super::Log;
use super::mark::Mark;
use crate::Instant;

impl Log {
    /// Takes the newest `units` back, or as many as there are at `now`, after the log was shifted if the
    /// clock is behind it and the expired units were dropped. Returns the units taken back.
    pub fn refund(&mut self, now: Instant, units: u64) -> u64 {
        self.shift(now);
        self.drop_expired(now);
        let held = self.end - self.oldest.before;
        if units >= held {
            self.clear();
            return held;
        }
        if units < self.newest_units {
            self.newest_units -= units;
        } else {
            let kept = self.end - units;
            let newest = self.closed_entry_of(kept - 1, self.oldest);
            self.truncate(newest);
            self.newest = newest.at;
            self.newest_units = kept - newest.before;
        }
        self.end -= units;
        units
    }

    /// Takes back the codes from `mark` on.
    fn truncate(&mut self, mark: Mark) {
        let kept = (mark.block - self.oldest.block) as usize;
        if let Some(history) = &mut self.history {
            history.cursors.clear();
            if let Some(reopened) = history.sealed.drain(kept..).next() {
                history.tail_start = reopened.start;
                self.tail = reopened.codes;
            }
        }
        self.tail.truncate(mark);
    }
}
