use super::code::{Code, FIRST_EXPONENT, MAX_BITS};
use super::mark::Mark;

/// The bytes of a full block: what a search may have to walk over.
const MAX_BYTES: usize = 1024;

/// Codes of entries that follow each other.
#[derive(Clone, Debug, Default)]
pub(super) struct Block {
    pub(super) bytes: Box<[u8]>,
    /// Bits written.
    pub(super) bits: u16,
    /// The exponent of the last gap, or of the gap before the first.
    pub(super) exponent: u8,
}

/// A full block and where it begins.
#[derive(Clone, Debug)]
pub(super) struct Sealed {
    pub(super) start: Mark,
    pub(super) codes: Block,
}

impl Block {
    /// An empty block whose first gap is coded against `exponent`.
    pub(super) fn after(exponent: u8) -> Self {
        Self { exponent, ..Self::default() }
    }

    /// Appends a code; [`Self::reserve`] must have made room for it.
    pub(super) fn push(&mut self, code: Code) {
        code.write(&mut self.bytes, usize::from(self.bits));
        self.bits += code.width();
        self.exponent = code.exponent;
    }

    /// Whether there is room for `code` without allocating.
    pub(super) fn has_room(&self, code: Code) -> bool {
        usize::from(self.bits + code.width()) <= self.bytes.len() * 8
    }

    /// Whether no further code may be appended.
    pub(super) fn is_full(&self) -> bool {
        usize::from(self.bits + MAX_BITS) > MAX_BYTES * 8
    }

    /// Allocates until there is room for `code`.
    pub(super) fn reserve(&mut self, code: Code) {
        let bits = usize::from(self.bits + code.width());
        self.resize(size_class(bits.div_ceil(8).max(self.bytes.len() + 1)));
    }

    /// Gives back the bytes that hold no code.
    pub(super) fn shrink(&mut self) {
        self.resize(size_class(usize::from(self.bits).div_ceil(8)));
    }

    fn resize(&mut self, len: usize) {
        if len != self.bytes.len() {
            let mut bytes = vec![0; len].into_boxed_slice();
            bytes.iter_mut().zip(&self.bytes).for_each(|(new, old)| *new = *old);
            self.bytes = bytes;
        }
    }

    /// The whole bytes before `start`, where they are at least a quarter of the block: worth a move.
    pub(super) fn dead_bytes(&self, start: Mark) -> Option<u16> {
        let dead = start.bit / 8;
        (usize::from(dead) * 4 >= self.bytes.len().max(1)).then_some(dead)
    }

    /// Moves the codes `dead` bytes towards the front, over what stood there.
    pub(super) fn forget(&mut self, dead: u16) {
        self.bytes.copy_within(usize::from(dead).., 0);
        self.bits -= dead * 8;
    }

    /// Takes back all codes from `mark` on.
    pub(super) fn truncate(&mut self, mark: Mark) {
        self.bits = mark.bit;
        self.exponent = mark.exponent;
    }

    /// Takes back all codes, and the bytes if they are many.
    pub(super) fn clear(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        *self = Self::after(FIRST_EXPONENT);
        if bytes.len() <= 64 {
            self.bytes = bytes;
        }
    }
}

/// The size that an allocator in the server's manner would hand out for `len` bytes: steps of 16 up to
/// 128, then four to each doubling. Asking for just that wastes at most a fifth.
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
    fn sizes_are_the_allocators() {
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
