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

    /// Returns the newest `count` hits, newest first, or all hits if there are fewer.
    ///
    /// Takes time proportional to the number of returned hits, not to the number in the log.
    #[must_use]
    pub fn newest_hits(&self, count: usize) -> Vec<Hit> {
        let mut hits = Vec::new();
        let Some(first) = self.first else { return hits };
        for block in (first.block..=self.log.tail_start().block).rev() {
            if hits.len() >= count {
                break;
            }
            let start = if block == first.block { first } else { self.log.block_start(block) };
            hits.extend(self.block_hits(start).into_iter().rev());
        }
        hits.truncate(count);
        hits
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

    fn instant(&self, at: i64) -> Instant {
        Instant::from_clock(at - self.offset)
    }
}
