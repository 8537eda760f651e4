use super::Log;
use super::position::Position;
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
        if let Some(kept) = u64::from(self.newest_units).checked_sub(units).filter(|kept| *kept > 0)
        {
            self.newest_units = within_entry(kept);
        } else {
            let kept = self.end - units;
            let newest = self.closed_entry_of(kept - 1, self.oldest);
            self.truncate(newest);
            self.newest = newest.at;
            self.newest_units = within_entry(kept - newest.before);
        }
        self.end -= units;
        units
    }

    /// Takes back the codes from `position` on.
    fn truncate(&mut self, position: Position) {
        let kept = (position.block - self.oldest.block) as usize;
        if let Some(history) = &mut self.history {
            history.cursors.clear();
            if let Some(reopened) = history.cut(kept) {
                history.tail_start = reopened.start;
                self.tail.reopen(reopened, position);
                return;
            }
        }
        self.tail.truncate(position);
    }
}

/// Units of one entry, which are never more than an entry holds.
pub(super) fn within_entry(units: u64) -> u32 {
    u32::try_from(units).unwrap_or(u32::MAX)
}
