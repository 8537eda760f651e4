use std::ops::Range;

use super::Log;
use super::codec::Step;
use super::position::{Cursor, Position};
use crate::{Instant, Window};

/// The minimum length of a walk, in bits, for which its end is cached.
const MIN_CURSOR_DISTANCE: u16 = 256;

/// The usage of a window.
pub(crate) struct Usage {
    pub(crate) units: u64,
    /// Milliseconds until the window is empty.
    pub(crate) reset_after: u64,
    /// The start of the window, if a long walk was needed to find it.
    pub(crate) cursor: Option<Cursor>,
    first: Position,
    /// Milliseconds after which a unit has left the window or expired.
    span: i64,
}

/// The codes of one block.
#[derive(Clone, Copy)]
struct Codes<'a> {
    bytes: &'a [u8],
    bits: u16,
    sealed: bool,
}

/// A walk over the entries of a log, from older to newer.
pub(super) struct Walk<'a> {
    log: &'a Log,
    block: Codes<'a>,
    /// The position of the current entry.
    pub(super) position: Position,
}

impl Log {
    /// Returns the usage of the window that ends at `now`. If the clock is behind the newest unit, that unit's instant
    /// is used.
    pub(crate) fn usage(&self, now: Instant, window: Window) -> Usage {
        let span = window.span().min(self.retention);
        let boundary = self.effective(now) - span;
        if self.is_empty() || boundary >= self.newest {
            return Usage { units: 0, reset_after: 0, cursor: None, first: self.oldest, span };
        }
        let reset_after = (self.newest - boundary).cast_unsigned();
        if boundary < self.oldest.at {
            let units = self.end - self.oldest.before;
            return Usage { units, reset_after, cursor: None, first: self.oldest, span };
        }
        let from = self.nearest(boundary);
        let first = self.seek_from(from, boundary);
        let far = first.block != from.block || first.bit - from.bit > MIN_CURSOR_DISTANCE;
        let cursor = far.then_some(Cursor { span, boundary, position: first });
        Usage { units: self.end - first.before, reset_after, cursor, first, span }
    }

    /// Returns the milliseconds from `now` until the oldest `units` of those in `usage` have left the window.
    pub(crate) fn time_until_gone(&self, now: Instant, usage: &Usage, units: u64) -> u64 {
        let last = usage.first.before + units - 1;
        (self.instant_of(last, usage.first) + usage.span - self.effective(now)).cast_unsigned()
    }

    /// Returns the clock's time, or that of the newest unit if the clock is behind it.
    pub(crate) fn effective(&self, now: Instant) -> i64 {
        now.unix_millis().max(self.newest)
    }

    /// Returns the position of the first entry after `boundary`. The newest entry must be after `boundary`.
    pub(super) fn seek(&self, boundary: i64) -> Position {
        self.seek_from(self.nearest(boundary), boundary)
    }

    fn seek_from(&self, from: Position, boundary: i64) -> Position {
        let from = self.skip_blocks(from, |start| start.at <= boundary);
        let mut walk = self.walk(from);
        while walk.position.at <= boundary {
            walk.step();
        }
        walk.position
    }

    /// Returns the position of the closed entry, at or after `from`, that contains the unit with `index` units before
    /// it.
    pub(super) fn closed_entry_of(&self, index: u64, from: Position) -> Position {
        let from = self.skip_blocks(from, |start| start.before <= index);
        let mut walk = self.walk(from);
        let mut entry = walk.position;
        walk.step();
        while walk.position.before <= index {
            entry = walk.position;
            walk.step();
        }
        entry
    }

    /// Returns the instant of the unit with `index` units before it. The unit must be at or after `from`.
    fn instant_of(&self, index: u64, from: Position) -> i64 {
        if index == from.before {
            from.at
        } else if index >= self.end - u64::from(self.newest_units) {
            self.newest
        } else {
            self.closed_entry_of(index, from).at
        }
    }

    /// Returns the latest known position before which no entry is after `boundary`.
    fn nearest(&self, boundary: i64) -> Position {
        let cursors = self.history.as_ref().map_or(&[][..], |history| &history.cursors);
        cursors
            .iter()
            .filter(|cursor| cursor.boundary <= boundary)
            .map(|cursor| cursor.position)
            .fold(
                self.oldest,
                |best, position| {
                    if position.before > best.before { position } else { best }
                },
            )
    }

    /// Returns the start of the last block for which `reached` is true, or `from` if that block is not after `from`.
    fn skip_blocks(&self, from: Position, reached: impl Fn(&Position) -> bool) -> Position {
        let Some(history) = &self.history else {
            return from;
        };
        if history.sealed.is_empty() {
            return from;
        }
        if reached(&history.tail_start) {
            return later(from, history.tail_start);
        }
        let next = (from.block - self.oldest.block) as usize + 1;
        if !history.sealed.get(next).is_some_and(|block| reached(&block.start)) {
            return from;
        }
        let passed = history.sealed.partition_point(|block| reached(&block.start));
        history.sealed.get(passed - 1).map_or(from, |block| later(from, block.start))
    }

    /// Returns a walk that starts at `position`.
    pub(super) fn walk(&self, position: Position) -> Walk<'_> {
        Walk { log: self, block: self.block(position.block), position }
    }

    /// Returns the codes from `position` on, as each block's bytes and the bits of the codes in it.
    pub(super) fn codes_from(
        &self,
        position: Position,
    ) -> impl Iterator<Item = (&[u8], Range<u16>)> {
        let last = self.tail_start().block;
        (position.block..=last).map(move |number| {
            let block = self.block(number);
            let start = if number == position.block { position.bit } else { 0 };
            (block.bytes, start..block.bits)
        })
    }

    /// Returns the block with this number.
    fn block(&self, number: u32) -> Codes<'_> {
        let index = (number - self.oldest.block) as usize;
        match self.history.as_ref().and_then(|history| history.sealed.get(index)) {
            Some(sealed) => Codes { bytes: &sealed.bytes, bits: sealed.bits, sealed: true },
            None => Codes { bytes: self.tail.bytes(), bits: self.tail.bits, sealed: false },
        }
    }
}

/// Returns the later position, or `from` if they are equal.
fn later(from: Position, start: Position) -> Position {
    if start.before > from.before { start } else { from }
}

impl Walk<'_> {
    /// Returns whether the walk is at the open entry, which is the last.
    pub(super) fn is_at_newest(&self) -> bool {
        !self.block.sealed && self.position.bit >= self.block.bits
    }

    /// Moves to the next entry. Must not be called at the newest entry. Returns the units of the previous entry.
    #[inline]
    pub(super) fn step(&mut self) -> u64 {
        let step =
            Step::read(self.block.bytes, usize::from(self.position.bit), self.position.exponent);
        self.position.at += step.gap.cast_signed();
        self.position.before += step.units;
        self.position.bit += step.width;
        self.position.exponent = step.exponent;
        if self.block.sealed && self.position.bit >= self.block.bits {
            self.position.block += 1;
            self.position.bit = 0;
            self.block = self.log.block(self.position.block);
        }
        step.units
    }
}
