//! The sliding-window log of one key.
//!
//! # Layout
//!
//! Units recorded in the same millisecond form one *entry*: an instant and its units. Entries are ordered by time. The
//! newest entry is *open*: its instant and units are in the header, so recording again in the same millisecond is one
//! addition. Each older entry is *closed*: a bit code of its units and of the gap to the next entry (`codec.rs`). Codes
//! fill *blocks* of at most 1 KiB. The last block, the *tail*, grows and is written. The full blocks before it are
//! sealed and only read.
//!
//! ```text
//! header  | newest: instant, units | units ever | oldest: position | retention | tail | history |
//!                                                   |                              |       |
//!             .-------------------------------------'     .------------------------'       |
//!             v                                           v                                v
//! codes   | expired | live ....... | live ........ | live ... |      sealed blocks with their first
//!           block 0                  block 1         tail            instant and unit, and cursors
//! ```
//!
//! # Time complexity
//!
//! A *position* identifies an entry: its block, bit and instant, and the units recorded before it since the log was
//! last empty. The number of units between two positions is one subtraction, so the usage of a window follows from the
//! position of its first entry. That is the oldest entry if nothing has expired. Otherwise it is found by a binary
//! search over the blocks and a walk inside one block (typically 500 entries of a few nanoseconds each, at most 8192).
//! The walk starts where the last check of the window ended (a *cursor*), so it typically takes one or two steps. None
//! of these operations is O(units):
//!
//! - recording appends one code to the tail, and sometimes seals a block;
//! - expiry, even of a million units at once, is one such search, and frees the blocks before the entry as a whole;
//! - a refund is the same search for the last entry that remains, and frees the blocks after it as a whole;
//! - a clock that steps back is one subtraction for each block.
//!
//! # Memory
//!
//! With gaps of about `2^e` milliseconds, a unit takes `e + 1` bits if the gaps are even and about `e + 3.5` bits if
//! they are random: 1,000 random units take 8.5 bits each over a minute, 14.5 over an hour and 19 over a day. The
//! header takes 112 bytes, of which 29 contain the first codes. Each block adds 48 bytes and at most a fifth of the
//! tail's size. A million units over an hour (gaps of 3 to 4 ms) take half a megabyte.

mod block;
mod codec;
mod history;
mod position;
mod record;
mod refund;
mod seek;
mod snapshot;
mod view;

use crate::Instant;
use block::Tail;
use history::History;
pub(crate) use position::Cursor;
use position::Position;
pub use snapshot::SnapshotError;
pub use view::{Hit, View};

/// The recorded units of one key with their instants, retained for the key's retention.
///
/// The value depends only on the calls of [`record`](Self::record), [`shift`](Self::shift),
/// [`refund`](Self::refund) and [`drop_expired`](Self::drop_expired): after the same calls, two logs have the same [`snapshot`](Self::to_snapshot), byte for
/// byte.
#[derive(Clone, Debug)]
#[repr(C)] // The fields that a typical check reads and writes come first.
pub struct Log {
    newest: i64,
    /// The retention in milliseconds.
    retention: i64,
    /// The number of units recorded since the log was last empty, less the refunded units.
    end: u64,
    newest_units: u32,
    oldest: Position,
    tail: Tail,
    /// The part that is needed only with several blocks or windows.
    history: Option<Box<History>>,
}

impl Default for Log {
    fn default() -> Self {
        Self::new()
    }
}

impl Log {
    /// Creates a log without units.
    #[must_use]
    pub fn new() -> Self {
        Self {
            newest: 0,
            retention: 0,
            end: 0,
            newest_units: 0,
            oldest: Position::first(0),
            tail: Tail::default(),
            history: None,
        }
    }

    /// Returns whether the log has no units, not even expired ones.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.newest_units == 0
    }

    /// Returns the time at which the last unit expires, in milliseconds since the Unix epoch, or `None` without units.
    #[must_use]
    pub fn expires_at(&self) -> Option<i64> {
        (!self.is_empty()).then(|| self.newest + self.retention)
    }

    /// Returns whether `now` is before the newest unit, so that [`Self::shift`] would shift the log.
    #[must_use]
    pub fn is_ahead_of(&self, now: Instant) -> bool {
        !self.is_empty() && self.newest > now.unix_millis()
    }

    /// Returns the time for which units are retained, in milliseconds: the longest window of the recorded checks, or 0
    /// if no check is recorded.
    #[must_use]
    pub fn retention(&self) -> u64 {
        self.retention.cast_unsigned()
    }

    /// Returns the bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.tail.heap_bytes() + self.history.as_ref().map_or(0, |history| history.heap_bytes())
    }

    /// Returns the number of allocations.
    #[must_use]
    pub fn allocations(&self) -> usize {
        let tail = usize::from(self.tail.heap_bytes() > 0);
        tail + self.history.as_ref().map_or(0, |history| 2 + history.sealed.len())
    }

    /// Passes each block's bytes through `relocate`, which may move them.
    pub fn relocate(&mut self, mut relocate: impl FnMut(Box<[u8]>) -> Box<[u8]>) {
        for block in self.history.iter_mut().flat_map(|history| history.sealed.iter_mut()) {
            block.bytes = relocate(std::mem::take(&mut block.bytes));
        }
        self.tail.relocate(&mut relocate);
    }

    /// Removes all units.
    pub fn clear(&mut self) {
        self.tail.clear();
        *self = Self { tail: std::mem::take(&mut self.tail), ..Self::new() };
    }

    /// Returns the position at which the tail starts.
    fn tail_start(&self) -> Position {
        match &self.history {
            Some(history) if !history.sealed.is_empty() => history.tail_start,
            _ => self.oldest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Log;
    use crate::{Cost, Instant, Limit, Rule, Rules, Window, check};

    fn at(millis: i64) -> Instant {
        Instant::from_unix_millis(1_700_000_000_000 + millis).unwrap()
    }

    fn rule(limit: u32, millis: u64) -> Rules {
        Rules::one(Rule::new(Limit::new(limit), Window::from_millis(millis).unwrap()))
    }

    /// Returns a log of a thousand units, 86 seconds apart.
    fn a_day() -> Log {
        let mut log = Log::new();
        for unit in 0..1_000 {
            assert!(
                check(&mut log, at(unit * 86_400), &rule(1_000, 86_400_000), Cost::ONE).allowed
            );
        }
        log
    }

    #[test]
    fn the_header_fits_in_a_value_of_two_cache_lines() {
        assert!(size_of::<Log>() <= 112, "{}", size_of::<Log>());
    }

    #[test]
    fn a_thousand_units_of_a_day_take_less_than_three_bytes_each() {
        let bytes = size_of::<Log>() + a_day().heap_bytes();
        assert!(bytes < 3_000, "{bytes}");
    }

    #[test]
    fn a_few_units_take_no_allocation() {
        let mut log = Log::new();
        for unit in 0..10 {
            check(&mut log, at(unit * 5_000), &rule(10, 60_000), Cost::ONE);
        }
        assert_eq!((log.heap_bytes(), log.allocations()), (0, 0));
        assert_eq!(log.retention(), 60_000);
    }

    #[test]
    fn moving_every_block_changes_nothing() {
        let mut log = a_day();
        let before = log.to_snapshot();
        let mut moved = 0;
        log.relocate(|bytes| {
            moved += usize::from(!bytes.is_empty());
            bytes.clone()
        });
        assert_eq!(log.to_snapshot(), before);
        // The tail and two sealed blocks move. The history and its list of blocks do not move.
        assert_eq!((moved, log.allocations()), (3, 5));
    }

    #[test]
    fn expiry_frees_memory() {
        let mut log = Log::new();
        let year = rule(1_000_000, 366 * 86_400_000);
        for unit in 0..50_000 {
            check(&mut log, at(unit * 600_000), &year, Cost::ONE);
        }
        let full = log.heap_bytes();
        check(&mut log, at(49_000 * 600_000 + 366 * 86_400_000), &year, Cost::ONE);
        assert_eq!(log.at(at(49_000 * 600_000 + 366 * 86_400_000)).units(), 1_000);
        assert!(log.heap_bytes() * 25 < full, "{} of {full}", log.heap_bytes());
        let later = at(3 * 366 * 86_400_000);
        check(&mut log, later, &year, Cost::ONE);
        assert_eq!((log.at(later).units(), log.heap_bytes()), (1, 0));
    }

    #[test]
    fn a_cursor_survives_when_the_codes_before_it_are_discarded() {
        let mut log = Log::new();
        let minute = rule(2_000, 60_000);
        let second = rule(1_000, 1_000);
        for unit in 0..2_000 {
            let now = at(unit * 100);
            let recorded = check(&mut log, now, &minute, Cost::ONE);
            let lately = check(&mut log, now, &second, Cost::ONE);
            let seen = u64::try_from(unit + 1).unwrap();
            assert_eq!(recorded.remaining, 2_000 - 2 * seen.min(600) + 1);
            assert_eq!(lately.remaining, 1_000 - 2 * seen.min(10));
        }
    }

    #[test]
    fn a_replica_that_drops_its_sealed_blocks_needs_no_history() {
        let mut log = a_day();
        let day = Window::from_millis(86_400_000).unwrap();
        log.record(at(86_400_000 + 998 * 86_400), Cost::ONE, day);
        assert_eq!(log.at(at(86_400_000 + 998 * 86_400)).units(), 2);
        assert!(log.allocations() <= 1);
    }

    #[test]
    fn more_windows_than_cursors_are_decided_correctly() {
        let mut log = a_day();
        let now = at(1_000 * 86_400);
        for round in 0..2 {
            for hours in 1..=20 {
                let hour = hours * 3_600_000;
                let decision = check(&mut log, now, &rule(2_000, hour), Cost::ONE);
                let earlier = (hour - 1) / 86_400;
                let recorded = round * 20 + hours;
                assert_eq!(decision.remaining, 2_000 - earlier - recorded, "{hours}");
            }
        }
    }
}
