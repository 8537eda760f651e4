use std::ops::{Bound, RangeBounds};

use super::Log;
use super::position::Position;
use crate::Instant;

/// The unexpired units of a log at one instant. If the clock is behind the newest unit, that unit's instant is used.
#[derive(Clone, Copy)]
pub struct View<'a> {
    log: &'a Log,
    /// The milliseconds by which the log would be shifted back.
    offset: i64,
    /// The first unexpired entry, or `None` if all entries have expired.
    first: Option<Position>,
}

/// An instant and the units recorded at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The instant at which the units were recorded.
    pub instant: Instant,
    /// The number of units, at least one.
    pub units: u64,
}

impl Log {
    /// Returns the unexpired units at `now`.
    #[must_use]
    pub fn at(&self, now: Instant) -> View<'_> {
        let effective = self.effective(now);
        let boundary = effective - self.retention;
        let first = if self.is_empty() || boundary >= self.newest {
            None
        } else if boundary < self.oldest.at {
            Some(self.oldest)
        } else {
            Some(self.seek(boundary))
        };
        View { log: self, offset: effective - now.unix_millis(), first }
    }

    /// Returns the start of a block after the oldest one.
    fn block_start(&self, block: u32) -> Position {
        let index = (block - self.oldest.block) as usize;
        let sealed = self.history.as_ref().and_then(|history| history.sealed.get(index));
        sealed.map_or(self.tail_start(), |sealed| sealed.start)
    }
}

impl View<'_> {
    /// Returns the number of units.
    #[must_use]
    pub fn units(&self) -> u64 {
        self.first.map_or(0, |first| self.log.end - first.before)
    }

    /// Returns the instant of the oldest unit.
    #[must_use]
    pub fn oldest(&self) -> Option<Instant> {
        self.first.map(|first| self.instant(first.at))
    }

    /// Returns the instant of the newest unit.
    #[must_use]
    pub fn newest(&self) -> Option<Instant> {
        self.first.map(|_| self.instant(self.log.newest))
    }

    /// Returns the hits in `range`, newest first, and at most `count`.
    ///
    /// Takes time proportional to the number of returned hits, and logarithmic in the number in the log.
    #[must_use]
    pub fn hits(&self, range: impl RangeBounds<Instant>, count: usize) -> Vec<Hit> {
        let mut hits = Vec::new();
        // The hits are after `low` and before `high`.
        let low = match range.start_bound() {
            Bound::Included(instant) => self.log_time(*instant) - 1,
            Bound::Excluded(instant) => self.log_time(*instant),
            Bound::Unbounded => i64::MIN,
        };
        let high = match range.end_bound() {
            Bound::Included(instant) => self.log_time(*instant) + 1,
            Bound::Excluded(instant) => self.log_time(*instant),
            Bound::Unbounded => i64::MAX,
        };
        let Some(first) = self.first_after(low) else { return hits };
        let last = match self.first_after(high - 1) {
            Some(next) => next.block,
            None => self.log.tail_start().block,
        };
        for block in (first.block..=last).rev() {
            if hits.len() >= count {
                break;
            }
            let start = if block == first.block { first } else { self.log.block_start(block) };
            let block_hits = self.block_hits(start).into_iter().rev();
            hits.extend(block_hits.filter(|hit| self.log_time(hit.instant) < high));
        }
        hits.truncate(count);
        hits
    }

    /// Returns the position of the first unexpired entry after `boundary`, a time in the log.
    fn first_after(&self, boundary: i64) -> Option<Position> {
        let first = self.first?;
        if boundary < first.at {
            return Some(first);
        }
        (boundary < self.log.newest).then(|| self.log.seek(boundary))
    }

    /// Returns the hits from `start` to the end of its block, oldest first.
    fn block_hits(&self, start: Position) -> Vec<Hit> {
        let mut hits = Vec::new();
        let mut walk = self.log.walk(start);
        while walk.position.block == start.block {
            let instant = self.instant(walk.position.at);
            if walk.is_at_newest() {
                hits.push(Hit { instant, units: self.log.newest_units.into() });
                break;
            }
            hits.push(Hit { instant, units: walk.step() });
        }
        hits
    }

    /// Returns the time in the log at which a hit of this instant is recorded.
    fn log_time(&self, instant: Instant) -> i64 {
        instant.unix_millis() + self.offset
    }

    fn instant(&self, at: i64) -> Instant {
        Instant::from_clock(at - self.offset)
    }
}
