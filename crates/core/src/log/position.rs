use super::codec::FIRST_EXPONENT;

/// The position of one entry in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// The entry's instant in milliseconds since the Unix epoch. It is below zero only after a clock step.
    pub(super) at: i64,
    /// The number of units recorded before this entry, counted since the log was last empty.
    pub(super) before: u64,
    /// The number of the block with the entry, counted since the log was last empty.
    pub(super) block: u32,
    /// The bit in the block where the entry's code starts.
    pub(super) bit: u16,
    /// The exponent against which the entry's gap is coded.
    pub(super) exponent: u8,
}

impl Position {
    /// Returns the position of the first entry of a log.
    pub(super) const fn first(at: i64) -> Self {
        Self { at, before: 0, block: 0, bit: 0, exponent: FIRST_EXPONENT }
    }
}

/// The cached start of a window. A later window starts at this position or after it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor {
    /// The window's span in milliseconds. A log has one cursor for each span.
    pub(super) span: i64,
    /// The last instant outside the window. Entries up to it are before `position`.
    pub(super) boundary: i64,
    /// The first entry inside the window.
    pub(super) position: Position,
}
