use super::codec::{Code, FIRST_EXPONENT, MAX_BITS};
use super::position::Position;

/// The size of a full block. It bounds the length of a walk.
const MAX_BYTES: usize = 1024;

/// The size of a tail without an allocation. With it, a key's value is 128 bytes: two cache lines that a processor
/// fetches together.
const INLINE: usize = 29;

/// The block to which codes are appended.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub(super) struct Tail {
    /// The codes if they do not fit in `inline`, or else empty.
    allocated: Box<[u8]>,
    /// The number of written bits.
    pub(super) bits: u16,
    /// The exponent of the last gap, or of the gap before the first code.
    pub(super) exponent: u8,
    inline: [u8; INLINE],
}

/// A full block and the position at which it starts.
#[derive(Clone, Debug)]
pub(super) struct Sealed {
    pub(super) start: Position,
    pub(super) bytes: Box<[u8]>,
    /// The number of written bits.
    pub(super) bits: u16,
}

impl Tail {
    pub(super) fn bytes(&self) -> &[u8] {
        if self.allocated.is_empty() { &self.inline } else { &self.allocated }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        if self.allocated.is_empty() { &mut self.inline } else { &mut self.allocated }
    }

    /// Returns the allocated bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        self.allocated.len()
    }

    /// Appends a code, for which [`Self::reserve`] must have made room.
    pub(super) fn push(&mut self, code: Code) {
        let bit = usize::from(self.bits);
        code.write(self.bytes_mut(), bit);
        self.bits += code.width();
        self.exponent = code.exponent;
    }

    /// Returns whether `code` fits without an allocation.
    pub(super) fn has_room(&self, code: Code) -> bool {
        usize::from(self.bits + code.width()) <= self.bytes().len() * 8
    }

    /// Returns whether the block has no room for another code.
    pub(super) fn is_full(&self) -> bool {
        usize::from(self.bits + MAX_BITS) > MAX_BYTES * 8
    }

    /// Allocates until `code` fits.
    pub(super) fn reserve(&mut self, code: Code) {
        let bits = usize::from(self.bits + code.width());
        self.allocated = resized(self.bytes(), bits.div_ceil(8).max(self.bytes().len() + 1));
    }

    /// Returns the number of whole bytes before `start`, if they are at least a quarter of the block and so worth a
    /// move.
    pub(super) fn dead_bytes(&self, start: Position) -> Option<u16> {
        let dead = start.bit / 8;
        (usize::from(dead) * 4 >= self.bytes().len()).then_some(dead)
    }

    /// Moves the codes `dead` bytes towards the front, over the bytes there.
    pub(super) fn discard_front(&mut self, dead: u16) {
        self.bytes_mut().copy_within(usize::from(dead).., 0);
        self.bits -= dead * 8;
    }

    /// Removes all codes from `position` on.
    pub(super) fn truncate(&mut self, position: Position) {
        self.bits = position.bit;
        self.exponent = position.exponent;
    }

    /// Removes all codes, and frees the bytes if there are many.
    pub(super) fn clear(&mut self) {
        if self.allocated.len() > RETAINED_BYTES {
            self.allocated = Box::default();
        }
        self.bits = 0;
        self.exponent = FIRST_EXPONENT;
    }

    /// Returns the full block, which starts at `start`, and empties the tail.
    pub(super) fn seal(&mut self, start: Position) -> Sealed {
        let bits = std::mem::take(&mut self.bits);
        let bytes = resized(&self.allocated, usize::from(bits).div_ceil(8));
        self.allocated = Box::default();
        Sealed { start, bytes, bits }
    }

    /// Turns a block back into the tail, with its codes before `position`.
    pub(super) fn reopen(&mut self, block: Sealed, position: Position) {
        self.allocated = block.bytes;
        self.truncate(position);
    }

    /// Passes the allocated bytes through `relocate`.
    pub(super) fn relocate(&mut self, relocate: &mut impl FnMut(Box<[u8]>) -> Box<[u8]>) {
        self.allocated = relocate(std::mem::take(&mut self.allocated));
    }
}

/// The largest allocation that an emptied tail retains.
const RETAINED_BYTES: usize = 64;

/// Copies `bytes` into an allocation for at least `len` bytes, and cuts off excess bytes.
fn resized(bytes: &[u8], len: usize) -> Box<[u8]> {
    let mut resized = vec![0; size_class(len)].into_boxed_slice();
    resized.iter_mut().zip(bytes).for_each(|(new, old)| *new = *old);
    resized
}

/// Returns the size class of jemalloc, the server's allocator, for `len` bytes: steps of 16 up to 128, then four per
/// doubling. Requesting a whole class wastes at most a fifth.
fn size_class(len: usize) -> usize {
    let step = match len {
        0..=128 => 16,
        _ => len.next_power_of_two() / 8,
    };
    len.next_multiple_of(step)
}

#[cfg(test)]
mod tests {
    use super::size_class;

    #[test]
    fn sizes_match_the_allocator() {
        let sizes = [
            (0, 0),
            (1, 16),
            (16, 16),
            (17, 32),
            (113, 128),
            (128, 128),
            (129, 160),
            (161, 192),
            (256, 256),
            (257, 320),
            (640, 640),
            (1000, 1024),
            (1024, 1024),
        ];
        for (len, size) in sizes {
            assert_eq!(size_class(len), size, "{len}");
        }
    }
}
