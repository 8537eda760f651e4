use super::Log;
use super::position::Position;
use crate::Instant;

impl Log {
    /// Removes the newest `units`, or all units at `now` if there are fewer. First shifts the log if the clock is
    /// behind it, and removes the expired units. Returns the number of removed units.
    pub fn refund(&mut self, now: Instant, units: u64) -> u64 {
        self.shift(now);
        self.drop_expired(now);
        let recorded = self.end - self.oldest.before;
        if units >= recorded {
            self.clear();
            return recorded;
        }
        if let Some(remaining) =
            u64::from(self.newest_units).checked_sub(units).filter(|units| *units > 0)
        {
            self.newest_units = within_entry(remaining);
        } else {
            let remaining = self.end - units;
            let newest = self.closed_entry_of(remaining - 1, self.oldest);
            self.truncate(newest);
            self.newest = newest.at;
            self.newest_units = within_entry(remaining - newest.before);
        }
        self.end -= units;
        units
    }

    /// Removes the codes from `position` on.
    fn truncate(&mut self, position: Position) {
        let remaining = (position.block - self.oldest.block) as usize;
        if let Some(history) = &mut self.history {
            history.cursors.clear();
            if let Some(reopened) = history.truncate(remaining) {
                history.tail_start = reopened.start;
                self.tail.reopen(reopened, position);
                return;
            }
        }
        self.tail.truncate(position);
    }
}

/// Converts the units of one entry to 32 bits, in which they fit.
pub(super) fn within_entry(units: u64) -> u32 {
    u32::try_from(units).unwrap_or(u32::MAX)
}
