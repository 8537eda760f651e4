use super::codec::Code;
use super::position::{Cursor, Position};
use super::{History, Log};
use crate::{Cost, Instant, Rules, Window};

impl Log {
    /// Records the units of `cost` at `now`, by a check whose longest window is `window`, after dropping the units
    /// that have expired. Where the clock is behind the newest unit, the log is shifted first.
    ///
    /// One instant holds at most 2^32 - 1 units, as many as any limit lets through.
    pub fn record(&mut self, now: Instant, cost: Cost, window: Window) {
        self.shift(now);
        self.drop_expired(now);
        self.retention = self.retention.max(window.span());
        let now = now.unix_millis();
        if self.is_empty() {
            self.oldest = Position::first(now);
            self.newest = now;
        } else if now > self.newest {
            self.close_newest(now);
        }
        let units = cost.get().min(u32::MAX - self.newest_units);
        self.newest_units += units;
        self.end += u64::from(units);
    }

    /// Where the clock is behind the newest unit, shifts the whole log back so that the newest unit is at
    /// `now` and all gaps are kept. Returns whether it was.
    pub fn shift(&mut self, now: Instant) -> bool {
        if !self.is_ahead_of(now) {
            return false;
        }
        let back = self.newest - now.unix_millis();
        self.newest -= back;
        self.oldest.at -= back;
        if let Some(history) = &mut self.history {
            history.tail_start.at -= back;
            history.sealed.iter_mut().for_each(|sealed| sealed.start.at -= back);
            history.cursors.clear();
        }
        true
    }

    /// Drops the units that have expired by `now`.
    pub(super) fn drop_expired(&mut self, now: Instant) {
        let boundary = now.unix_millis() - self.retention;
        if boundary < self.oldest.at {
            return;
        }
        if boundary >= self.newest {
            self.clear();
            return;
        }
        let oldest = self.seek(boundary);
        if let Some(history) = &mut self.history {
            let passed = (oldest.block - self.oldest.block) as usize;
            history.drop_first(passed);
            history.cursors.retain(|cursor| cursor.position.before >= oldest.before);
            if history.sealed.is_empty() && history.cursors.is_empty() {
                self.history = None;
            }
        }
        self.oldest = oldest;
    }

    /// Keeps where a window was found to begin, for the next check.
    pub(crate) fn cache_cursor(&mut self, cursor: Cursor) {
        let cursors = &mut self.history.get_or_insert_with(|| Box::new(History::new())).cursors;
        if let Some(known) = cursors.iter_mut().find(|known| known.span == cursor.span) {
            *known = cursor;
        } else {
            if cursors.len() >= Rules::MAX {
                cursors.remove(0);
            }
            cursors.push(cursor);
        }
    }

    /// Codes the newest entry, and opens one at `now`, later than it, that holds no units yet.
    pub(super) fn close_newest(&mut self, now: i64) {
        let gap = (now - self.newest).cast_unsigned();
        let code = Code::new(self.tail.exponent, self.newest_units.into(), gap);
        if !self.tail.has_room(code) {
            self.make_room(code);
        }
        self.tail.push(code);
        self.newest = now;
        self.newest_units = 0;
        if self.tail.is_full() {
            self.seal_tail();
        }
    }

    #[cold]
    fn make_room(&mut self, code: Code) {
        self.forget_dead_codes();
        if !self.tail.has_room(code) {
            self.tail.reserve(code);
        }
    }

    /// Where the tail is all there is and begins with codes of dropped entries, moves the rest over them.
    fn forget_dead_codes(&mut self) {
        if self.tail_start() != self.oldest {
            return;
        }
        let Some(dead) = self.tail.dead_bytes(self.oldest) else {
            return;
        };
        self.tail.forget(dead);
        self.oldest.bit -= dead * 8;
        if let Some(history) = &mut self.history {
            history.cursors.iter_mut().for_each(|cursor| cursor.position.bit -= dead * 8);
        }
    }

    /// Makes a sealed block of the tail; the open entry begins a new one.
    #[cold]
    fn seal_tail(&mut self) {
        let start = self.tail_start();
        let next = Position {
            at: self.newest,
            before: self.end,
            block: start.block + 1,
            bit: 0,
            exponent: self.tail.exponent,
        };
        let history = self.history.get_or_insert_with(|| Box::new(History::new()));
        history.push(self.tail.seal(start));
        history.tail_start = next;
    }
}
