use super::codec::Code;
use super::position::{Cursor, Position};
use super::{History, Log};
use crate::{Cost, Instant, Rules, Window};

impl Log {
    /// Records the units of `cost` at `now` for a check whose longest window is `window`. First shifts the log if the
    /// clock is behind it, and removes the expired units.
    ///
    /// One instant has at most 2^32 - 1 units, as many as any limit allows.
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

    /// Shifts the whole log back if the clock is behind the newest unit. The newest unit is then at `now`, and all gaps
    /// are unchanged. Returns whether the log was shifted.
    pub fn shift(&mut self, now: Instant) -> bool {
        if !self.is_ahead_of(now) {
            return false;
        }
        let offset = self.newest - now.unix_millis();
        self.newest -= offset;
        self.oldest.at -= offset;
        if let Some(history) = &mut self.history {
            history.tail_start.at -= offset;
            history.sealed.iter_mut().for_each(|sealed| sealed.start.at -= offset);
            history.cursors.clear();
        }
        true
    }

    /// Removes the units that have expired by `now`.
    pub fn drop_expired(&mut self, now: Instant) {
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
            let dropped = (oldest.block - self.oldest.block) as usize;
            history.drop_first(dropped);
            history.cursors.retain(|cursor| cursor.position.before >= oldest.before);
            if history.sealed.is_empty() && history.cursors.is_empty() {
                self.history = None;
            }
        }
        self.oldest = oldest;
    }

    /// Caches the start of a window for the next check.
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

    /// Codes the newest entry and opens an empty one at `now`, which must be later.
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
        self.discard_dead_codes();
        if !self.tail.has_room(code) {
            self.tail.reserve(code);
        }
    }

    /// Moves the codes over the codes of removed entries, if the tail is the only block and starts with such codes.
    fn discard_dead_codes(&mut self) {
        if self.tail_start() != self.oldest {
            return;
        }
        let Some(dead) = self.tail.dead_bytes(self.oldest) else {
            return;
        };
        self.tail.discard_front(dead);
        self.oldest.bit -= dead * 8;
        if let Some(history) = &mut self.history {
            history.cursors.iter_mut().for_each(|cursor| cursor.position.bit -= dead * 8);
        }
    }

    /// Seals the tail. The open entry starts a new tail.
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
