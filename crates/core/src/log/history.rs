use std::collections::VecDeque;

use super::block::Sealed;
use super::position::{Cursor, Position};

/// The part of a log that is needed only with several blocks or windows.
#[derive(Clone, Debug)]
pub(super) struct History {
    /// The full blocks.
    pub(super) sealed: VecDeque<Sealed>,
    /// The size of all full blocks.
    sealed_bytes: usize,
    /// The position at which the tail starts.
    pub(super) tail_start: Position,
    pub(super) cursors: Vec<Cursor>,
}

impl History {
    pub(super) fn new() -> Self {
        Self {
            sealed: VecDeque::new(),
            sealed_bytes: 0,
            tail_start: Position::first(0),
            cursors: Vec::new(),
        }
    }

    /// Adds a full block.
    pub(super) fn push(&mut self, block: Sealed) {
        self.sealed_bytes += block.bytes.len();
        self.sealed.push_back(block);
    }

    /// Frees the first `count` blocks.
    pub(super) fn drop_first(&mut self, count: usize) {
        let dropped = self.sealed.drain(..count);
        self.sealed_bytes -= dropped.map(|block| block.bytes.len()).sum::<usize>();
        if self.sealed.capacity() > 4 * (self.sealed.len() + 2) {
            self.sealed.shrink_to(2 * (self.sealed.len() + 2));
        }
    }

    /// Truncates to the first `count` blocks. Returns the block after them, if any.
    pub(super) fn truncate(&mut self, count: usize) -> Option<Sealed> {
        let removed = self.sealed.range(count..);
        self.sealed_bytes -= removed.map(|block| block.bytes.len()).sum::<usize>();
        self.sealed.drain(count..).next()
    }

    /// Returns the size of the history and its blocks. Takes constant time.
    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<Self>()
            + self.sealed.capacity() * size_of::<Sealed>()
            + self.cursors.capacity() * size_of::<Cursor>()
            + self.sealed_bytes
    }
}

#[cfg(test)]
mod tests {
    use crate::{Cost, Instant, Log, Window};

    fn at(millis: i64) -> Instant {
        Instant::from_unix_millis(1_700_000_000_000 + millis).unwrap()
    }

    /// Returns the bytes of the blocks, counted one by one.
    fn counted(log: &Log) -> usize {
        let history = log.history.as_deref().unwrap();
        history.sealed.iter().map(|block| block.bytes.len()).sum()
    }

    #[test]
    fn the_size_of_blocks_is_tracked() {
        let tracked = |log: &Log| log.history.as_deref().unwrap().sealed_bytes;
        let mut log = Log::new();
        let year = Window::from_millis(366 * 86_400_000).unwrap();
        for unit in 0..50_000 {
            log.record(at(unit * 600_000), Cost::ONE, year);
        }
        let full = tracked(&log);
        assert_eq!(full, counted(&log));
        log.refund(at(50_000 * 600_000), 20_000);
        assert_eq!(tracked(&log), counted(&log));
        log.record(at(20_000 * 600_000 + 366 * 86_400_000), Cost::ONE, year);
        assert_eq!(tracked(&log), counted(&log));
        assert!(tracked(&log) * 4 < full);
    }
}
