use super::Log;
use super::position::Position;
use crate::Instant;

/// The unexpired units of a log at one instant. A clock behind the newest unit is taken to be at that unit.
#[derive(Clone, Copy)]
pub struct View<'a> {
    log: &'a Log,
    /// Milliseconds by which the log would be shifted back.
    offset: i64,
    /// The first entry that has not expired; `None` if all have.
    first: Option<Position>,
}

/// An instant and the units recorded at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// When the units were recorded.
    pub instant: Instant,
    /// Their number, at least one.
    pub units: u64,
}

impl Log {
    /// The unexpired units at `now`.
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

    /// Where a block after the oldest starts.
    fn block_start(&self, block: u32) -> Position {
        let index = (block - self.oldest.block) as usize;
        let sealed = self.history.as_ref().and_then(|history| history.sealed.get(index));
        sealed.map_or(self.tail_start(), |sealed| sealed.start)
    }
}

impl View<'_> {
    /// The number of units.
    #[must_use]
    pub fn units(&self) -> u64 {
        self.first.map_or(0, |first| self.log.end - first.before)
    }

    /// The instant of the oldest unit.
    #[must_use]
    pub fn oldest(&self) -> Option<Instant> {
        self.first.map(|first| self.instant(first.at))
    }

    /// The instant of the newest unit.
    #[must_use]
    pub fn newest(&self) -> Option<Instant> {
        self.first.map(|_| self.instant(self.log.newest))
    }

    /// The newest `count` hits, newest first; fewer if there are fewer.
    ///
    /// Takes time proportional to the hits returned, not to those in the log.
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

    /// The hits from `start` to the end of its block, oldest first.
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
