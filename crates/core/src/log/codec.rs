//! The code of one closed entry: its units and the gap to the next entry.
//!
//! Bits start at the low end of each byte. A number `n >= 1` is coded as its exponent `e = floor(log2 n)` (see below),
//! followed by the `e` bits below its highest bit.
//!
//! | bits | meaning |
//! | --- | --- |
//! | `0` | the gap has the exponent of the gap before it |
//! | `10s` | one more (`s = 0`) or one less |
//! | `110s` | two more or two less |
//! | `1110` and 6 bits | that exponent |
//! | `1111` and 6 bits | units of that exponent, before the gap; without it the entry has one unit |
//!
//! Consecutive gaps tend to be similar, so the exponent usually takes one to four bits. Random arrivals with a mean gap of
//! `m` milliseconds take about `log2 m + 2.5` bits, one more than their entropy.

/// The bits of the longest code: units of 4 + 6 + 31 bits and a gap of 4 + 6 + 39 bits.
pub(super) const MAX_BITS: u16 = 90;
/// The exponent against which the first gap of a stream is coded.
pub(super) const FIRST_EXPONENT: u8 = 0;

const MAX_EXPONENT: u8 = 39;
const MAX_UNITS_EXPONENT: u8 = 31;
const UNITS_PREFIX: u64 = 0b1111;
const EXPONENT_BITS: u16 = 6;

/// A group of up to 57 bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Bits {
    value: u64,
    width: u16,
}

/// The code of one closed entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Code {
    units: Bits,
    gap: Bits,
    /// The exponent of this gap. The next gap is coded against it.
    pub(super) exponent: u8,
}

/// One decoded closed entry.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) units: u64,
    pub(super) gap: u64,
    pub(super) exponent: u8,
    pub(super) width: u16,
}

impl Bits {
    const NONE: Self = Self { value: 0, width: 0 };
    /// A single one bit.
    pub(super) const ONE: Self = Self { value: 1, width: 1 };

    /// The widest group.
    pub(super) const MAX_WIDTH: u16 = 57;

    /// Reads the first `width` bits of `bytes` from `bit` on, but at most [`Self::MAX_WIDTH`].
    pub(super) fn read(bytes: &[u8], bit: usize, width: usize) -> Self {
        let width =
            u16::try_from(width).map_or(Self::MAX_WIDTH, |width| width.min(Self::MAX_WIDTH));
        Self { value: low(read(bytes, bit), width), width }
    }

    /// Returns `prefix`, followed by the bits of `number >= 1` below its highest bit.
    pub(super) fn number(prefix: u64, prefix_width: u16, number: u64) -> Self {
        let exponent = exponent_of(number);
        let mantissa = number - (1 << exponent);
        Self { value: prefix | mantissa << prefix_width, width: prefix_width + u16::from(exponent) }
    }

    /// Returns `number >= 1` with its exponent written in full.
    pub(super) fn plain(number: u64) -> Self {
        Self::number(u64::from(number.ilog2()), EXPONENT_BITS, number)
    }

    pub(super) fn width(self) -> u16 {
        self.width
    }

    /// Writes the bits at `bit` of `bytes`, which must have room. The bits after them are overwritten.
    pub(super) fn write(self, bytes: &mut [u8], bit: usize) {
        let offset = bit % 8;
        let room = bytes.get_mut(bit / 8..).unwrap_or_default();
        let low_bits = |byte: u8| u64::from(byte) & ((1 << offset) - 1);
        if let Some(word) = room.first_chunk_mut::<8>() {
            *word = (low_bits(word[0]) | self.value << offset).to_le_bytes();
        } else if let Some(first) = room.first().copied() {
            let word = (low_bits(first) | self.value << offset).to_le_bytes();
            room.iter_mut().zip(word).for_each(|(byte, new)| *byte = new);
        }
    }
}

/// Reads at least 57 bits of `bytes` from `bit` on. Bits past the end are zeros.
#[inline]
pub(super) fn read(bytes: &[u8], bit: usize) -> u64 {
    let rest = bytes.get(bit / 8..).unwrap_or_default();
    let word = if let Some(word) = rest.first_chunk::<8>() {
        u64::from_le_bytes(*word)
    } else {
        rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
    };
    word >> (bit % 8)
}

/// Reads a number whose exponent is written in full. Returns the number and its width, or `None` if the exponent is too
/// great.
pub(super) fn read_plain(word: u64, max_exponent: u8) -> Option<(u64, u16)> {
    let exponent = read_exponent(word);
    (exponent <= max_exponent)
        .then(|| (number(word >> EXPONENT_BITS, exponent), EXPONENT_BITS + u16::from(exponent)))
}

impl Code {
    /// Returns the code of an entry with `units`, in `1..2^32`, and a gap of `gap` milliseconds, in `1..2^40`.
    pub(super) fn new(prior: u8, units: u64, gap: u64) -> Self {
        let exponent = exponent_of(gap);
        let (prefix, width) = match exponent.cast_signed() - prior.cast_signed() {
            0 => (0b0, 1),
            1 => (0b001, 3),
            -1 => (0b101, 3),
            2 => (0b0011, 4),
            -2 => (0b1011, 4),
            _ => (0b0111 | u64::from(exponent) << 4, 4 + EXPONENT_BITS),
        };
        Self {
            units: match units {
                1 => Bits::NONE,
                units => Bits::number(
                    UNITS_PREFIX | u64::from(exponent_of(units)) << 4,
                    4 + EXPONENT_BITS,
                    units,
                ),
            },
            gap: Bits::number(prefix, width, gap),
            exponent,
        }
    }

    pub(super) fn width(self) -> u16 {
        self.units.width() + self.gap.width()
    }

    /// Writes the code at `bit` of `bytes`, which must have room.
    pub(super) fn write(self, bytes: &mut [u8], bit: usize) {
        if self.units.width > 0 {
            self.units.write(bytes, bit);
        }
        self.gap.write(bytes, bit + usize::from(self.units.width));
    }
}

impl Step {
    /// The result for a stream that this crate did not write. Validation rejects such streams first.
    const BROKEN: Self = Self { units: 1, gap: 1, exponent: FIRST_EXPONENT, width: 1 };

    /// Reads the entry at `bit` of a stream that this crate wrote.
    #[inline]
    pub(super) fn read(bytes: &[u8], bit: usize, prior: u8) -> Self {
        Self::try_read(bytes, bit, prior).unwrap_or(Self::BROKEN)
    }

    /// Reads the entry at `bit` of any stream. Returns `None` if there is no valid code.
    #[inline]
    pub(super) fn try_read(bytes: &[u8], bit: usize, prior: u8) -> Option<Self> {
        let mut word = read(bytes, bit);
        let mut units = 1;
        let mut width = 0;
        if low(word, 4) == UNITS_PREFIX {
            let exponent = read_exponent(word >> 4);
            if exponent == 0 || exponent > MAX_UNITS_EXPONENT {
                return None;
            }
            units = number(word >> (4 + EXPONENT_BITS), exponent);
            width = 4 + EXPONENT_BITS + u16::from(exponent);
            word = read(bytes, bit + usize::from(width));
        }
        let sign = |place: u16, by: u8| {
            if word >> place & 1 == 0 { prior.wrapping_add(by) } else { prior.wrapping_sub(by) }
        };
        let (exponent, prefix) = match word.trailing_ones() {
            0 => (prior, 1),
            1 => (sign(2, 1), 3),
            2 => (sign(3, 2), 4),
            3 => (read_exponent(word >> 4), 4 + EXPONENT_BITS),
            _ => return None,
        };
        (exponent <= MAX_EXPONENT).then(|| Self {
            units,
            gap: number(word >> prefix, exponent),
            exponent,
            width: width + prefix + u16::from(exponent),
        })
    }
}

/// Returns `floor(log2 number)`. The number must not be 0.
fn exponent_of(number: u64) -> u8 {
    63 - number.leading_zeros().to_le_bytes()[0]
}

/// Returns the exponent stored at the low end of `word`.
fn read_exponent(word: u64) -> u8 {
    low(word, EXPONENT_BITS).to_le_bytes()[0]
}

/// Returns the low `width < 64` bits of `word`.
#[inline]
fn low(word: u64, width: u16) -> u64 {
    word & ((1 << width) - 1)
}

/// Returns the number whose highest bit is `exponent` and whose lower bits are those of `word`.
#[inline]
fn number(word: u64, exponent: u8) -> u64 {
    1 << exponent | low(word, u16::from(exponent))
}

#[cfg(test)]
mod tests {
    use super::{Bits, Code, FIRST_EXPONENT, MAX_BITS, Step, read, read_plain};
    use proptest::prelude::*;

    fn numbers(exponents: u32) -> impl Strategy<Value = u64> {
        (0..exponents).prop_flat_map(|exponent| (1_u64 << exponent)..(2_u64 << exponent))
    }

    proptest! {
        #[test]
        fn streams_round_trip(entries in prop::collection::vec((numbers(32), numbers(40)), 1..60)) {
            let mut bytes = vec![0xff; entries.len() * usize::from(MAX_BITS) / 8 + 1];
            let (mut bit, mut exponent) = (0, FIRST_EXPONENT);
            for &(units, gap) in &entries {
                let code = Code::new(exponent, units, gap);
                prop_assert!(code.width() <= MAX_BITS);
                code.write(&mut bytes, bit);
                bit += usize::from(code.width());
                exponent = code.exponent;
            }
            bytes.truncate(bit.div_ceil(8));
            let (mut bit, mut exponent) = (0, FIRST_EXPONENT);
            for (units, gap) in entries {
                let step = Step::try_read(&bytes, bit, exponent).unwrap();
                prop_assert_eq!((step.units, step.gap), (units, gap));
                bit += usize::from(step.width);
                exponent = step.exponent;
            }
        }

        #[test]
        fn plain_numbers_round_trip(number in numbers(40), bit in 0_usize..20) {
            let mut bytes = [0; 10];
            let bits = Bits::plain(number);
            bits.write(&mut bytes, bit);
            prop_assert_eq!(read_plain(read(&bytes, bit), 39), Some((number, bits.width())));
        }
    }

    #[test]
    fn similar_gaps_take_one_bit_plus_their_mantissa() {
        assert_eq!(Code::new(FIRST_EXPONENT, 1, 1).width(), 1);
        assert_eq!(Code::new(16, 1, 86_400).width(), 17);
        assert_eq!(Code::new(0, u32::MAX.into(), (1 << 40) - 1).width(), MAX_BITS);
    }

    #[test]
    fn invalid_codes_are_rejected() {
        // The codes are a gap with an exponent of 40, a gap with an exponent below 0, units with exponents of 0 and 32,
        // and units twice.
        assert!(Step::try_read(&[0b1000_0111, 0b10], 0, 0).is_none());
        assert!(Step::try_read(&[0b101], 0, 0).is_none());
        assert!(Step::try_read(&[0b1111, 0], 0, 0).is_none());
        assert!(Step::try_read(&[0b0000_1111, 0b10], 0, 0).is_none());
        assert!(Step::try_read(&[0b0001_1111, 0xf8, 0xff], 0, 0).is_none());
        assert!(read_plain(40, 39).is_none());
        assert_eq!(Step::read(&[0b101], 0, 0).width, Step::BROKEN.width);
    }

    #[test]
    fn writing_past_the_end_changes_nothing() {
        let mut bytes = [7];
        Bits::plain(9).write(&mut bytes, 8);
        Bits::plain(9).write(&mut bytes, 80);
        assert_eq!(bytes, [7]);
        assert_eq!(read(&bytes, 800), 0);
    }
}
