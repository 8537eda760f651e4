//! A log as bytes. Logs with the same value have the same bytes, whatever their blocks are.
//!
//! The snapshot of a log without units is empty. Otherwise it is one stream of the codes of `codec.rs`. It starts with
//! three plain numbers: the retention, the oldest instant plus 2^41, and the newest entry's units. The closed entries
//! follow, oldest first. The stream ends with a one bit, and zeros up to the next byte.

use std::fmt;
use std::ops::Range;

use super::Log;
use super::codec::{self, Bits, Code, FIRST_EXPONENT, MAX_BITS, Step};
use super::position::Position;
use super::refund::within_entry;
use crate::{Instant, Window};

/// The bias of the oldest instant. A clock step can move the instant below zero by at most a window.
const OLDEST_BIAS: i64 = 1 << 41;
/// The maximum number of units in a snapshot. It is far more than can be recorded, and leaves room to record more.
const MAX_UNITS: u64 = 1 << 60;
/// The highest exponent of a plain number.
const MAX_PLAIN_EXPONENT: u8 = 48;

/// The reason why bytes are not a snapshot of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotError {
    /// The bytes end before the log does.
    Truncated,
    /// The bytes contain an invalid number or code.
    Malformed {
        /// The bit at which it starts.
        bit: usize,
    },
    /// The last byte is zero, but a snapshot ends with a one bit.
    Unterminated,
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => write!(f, "the snapshot is truncated"),
            Self::Malformed { bit } => write!(f, "the snapshot is malformed at bit {bit}"),
            Self::Unterminated => write!(f, "the snapshot has no end bit"),
        }
    }
}

impl std::error::Error for SnapshotError {}

impl Log {
    /// Encodes the log's value.
    #[must_use]
    pub fn to_snapshot(&self) -> Vec<u8> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut writer = Writer::default();
        writer.number(self.retention.cast_unsigned());
        writer.number((self.oldest.at + OLDEST_BIAS).cast_unsigned());
        writer.number(self.newest_units.into());
        let mut walk = self.walk(self.oldest);
        if !walk.is_at_newest() {
            // Only the code of the oldest entry can differ from the one in its block: there it follows an expired entry.
            let units = walk.step();
            let gap = walk.position.at - self.oldest.at;
            writer.code(Code::new(FIRST_EXPONENT, units, gap.cast_unsigned()));
            for (bytes, bits) in self.codes_from(walk.position) {
                writer.copy(bytes, bits);
            }
        }
        writer.finish()
    }

    /// Decodes a log.
    ///
    /// Time and memory are proportional to the length of `bytes`, whatever sizes the bytes claim.
    ///
    /// # Errors
    /// [`SnapshotError`] for any bytes that [`Self::to_snapshot`] does not write: truncated bytes, a span longer than
    /// the retention, an instant out of range, or a code that is not the shortest.
    pub fn from_snapshot(bytes: &[u8]) -> Result<Self, SnapshotError> {
        if bytes.is_empty() {
            return Ok(Self::new());
        }
        let mut reader = Reader::new(bytes)?;
        let window = reader.number(Window::MAX.millis())?;
        let oldest_bit = reader.bit;
        let oldest =
            reader.number(Instant::MAX.unix_millis().cast_unsigned() + (1 << 41))?.cast_signed()
                - OLDEST_BIAS;
        let newest_units = reader.number(u32::MAX.into())?;

        let mut log = Self::new();
        log.retention = window.cast_signed();
        log.oldest = Position::first(oldest);
        log.newest = oldest;
        let mut exponent = FIRST_EXPONENT;
        while !reader.is_at_end() {
            let bit = reader.bit;
            let step = reader.code(exponent)?;
            exponent = step.exponent;
            log.append(step).ok_or(SnapshotError::Malformed { bit })?;
        }
        log.newest_units = within_entry(newest_units);
        log.end += newest_units;
        // A refund after a clock step can leave a log whose newest instant is below zero, too.
        if log.newest > Instant::MAX.unix_millis() {
            return Err(SnapshotError::Malformed { bit: oldest_bit });
        }
        Ok(log)
    }

    /// Appends an entry with the units of `step`, and opens the next entry after its gap. Returns `None` if the log
    /// would span its retention or exceed the maximum number of units.
    fn append(&mut self, step: Step) -> Option<()> {
        self.newest_units = within_entry(step.units);
        self.end += step.units;
        let next = self.newest + step.gap.cast_signed();
        if next - self.oldest.at >= self.retention || self.end > MAX_UNITS {
            return None;
        }
        self.close_newest(next);
        Some(())
    }
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    bit: usize,
}

impl Writer {
    fn reserve(&mut self) {
        let needed = (self.bit + usize::from(MAX_BITS)).div_ceil(8);
        if self.bytes.len() < needed {
            self.bytes.resize(needed * 2, 0);
        }
    }

    fn number(&mut self, number: u64) {
        self.reserve();
        let bits = Bits::plain(number);
        bits.write(&mut self.bytes, self.bit);
        self.bit += usize::from(bits.width());
    }

    fn code(&mut self, code: Code) {
        self.reserve();
        code.write(&mut self.bytes, self.bit);
        self.bit += usize::from(code.width());
    }

    /// Copies the codes at `bits` of `bytes`.
    fn copy(&mut self, bytes: &[u8], bits: Range<u16>) {
        let bits = usize::from(bits.start)..usize::from(bits.end);
        for bit in bits.clone().step_by(usize::from(Bits::MAX_WIDTH)) {
            self.reserve();
            let group = Bits::read(bytes, bit, bits.end - bit);
            group.write(&mut self.bytes, self.bit);
            self.bit += usize::from(group.width());
        }
    }

    /// Returns the bytes, terminated by a one bit.
    fn finish(mut self) -> Vec<u8> {
        self.reserve();
        Bits::ONE.write(&mut self.bytes, self.bit);
        self.bytes.truncate(self.bit / 8 + 1);
        self.bytes
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    bit: usize,
    /// The bit that terminates the stream.
    end: usize,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, SnapshotError> {
        let last = bytes.last().copied().unwrap_or_default();
        match (bytes.len() * 8).checked_sub(last.leading_zeros() as usize + 1) {
            Some(end) if last != 0 => Ok(Self { bytes, bit: 0, end }),
            _ => Err(SnapshotError::Unterminated),
        }
    }

    fn is_at_end(&self) -> bool {
        self.bit >= self.end
    }

    /// Reads a plain number in `1..=max`.
    fn number(&mut self, max: u64) -> Result<u64, SnapshotError> {
        let (number, width) =
            codec::read_plain(codec::read(self.bytes, self.bit), MAX_PLAIN_EXPONENT)
                .filter(|(number, _)| *number <= max)
                .ok_or(SnapshotError::Malformed { bit: self.bit })?;
        self.advance(width).map(|()| number)
    }

    /// Reads the next closed entry, which must be in its only valid form.
    fn code(&mut self, prior: u8) -> Result<Step, SnapshotError> {
        let malformed = SnapshotError::Malformed { bit: self.bit };
        let step = Step::try_read(self.bytes, self.bit, prior).ok_or(malformed)?;
        if Code::new(prior, step.units, step.gap).width() != step.width {
            return Err(malformed);
        }
        self.advance(step.width).map(|()| step)
    }

    fn advance(&mut self, width: u16) -> Result<(), SnapshotError> {
        self.bit += usize::from(width);
        if self.bit > self.end { Err(SnapshotError::Truncated) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Bits, Log, OLDEST_BIAS, SnapshotError, Writer};
    use crate::{Cost, Instant, Window};

    /// Returns the head of a snapshot without entries.
    fn head(retention: u64, oldest: i64, units: u64) -> Writer {
        let mut writer = Writer::default();
        writer.number(retention);
        writer.number((oldest + OLDEST_BIAS).cast_unsigned());
        writer.number(units);
        writer
    }

    fn error(writer: Writer) -> String {
        Log::from_snapshot(&writer.finish()).unwrap_err().to_string()
    }

    #[test]
    fn every_invalid_snapshot_is_rejected() {
        assert!(Log::from_snapshot(&head(5, 7, 1).finish()).is_ok());
        assert_eq!(Log::from_snapshot(&[0]).unwrap_err(), SnapshotError::Unterminated);
        assert_eq!(SnapshotError::Unterminated.to_string(), "the snapshot has no end bit");
        assert_eq!(Log::from_snapshot(&[1]).unwrap_err().to_string(), "the snapshot is truncated");

        let beyond = Window::MAX.millis() + 1;
        assert_eq!(error(head(beyond, 7, 1)), "the snapshot is malformed at bit 0");
        let mut late = head(5, Instant::MAX.unix_millis(), 1);
        Bits::number(0b0, 1, 1).write(&mut late.bytes, late.bit);
        late.bit += 1;
        assert_eq!(error(late), "the snapshot is malformed at bit 8");
        assert_eq!(error(head(5, 7, 1 << 32)), "the snapshot is malformed at bit 55");

        // The gap is as long as the retention: exponent 2 over 0, mantissa 1.
        let mut long = head(5, 7, 1);
        Bits::number(0b0011, 4, 5).write(&mut long.bytes, long.bit);
        long.bit += 6;
        assert_eq!(error(long), "the snapshot is malformed at bit 61");

        // The exponent is explicit, but has a shorter form.
        let mut longer = head(5, 7, 1);
        Bits::number(0b0111, 10, 1).write(&mut longer.bytes, longer.bit);
        longer.bit += 10;
        assert_eq!(error(longer), "the snapshot is malformed at bit 61");
    }

    #[test]
    fn a_log_before_the_epoch_can_be_loaded() {
        let at = |millis| Instant::from_unix_millis(millis).unwrap();
        let minute = Window::from_millis(60_000).unwrap();
        let mut log = Log::new();
        log.record(at(10_000), Cost::ONE, minute);
        log.record(at(11_000), Cost::ONE, minute);
        log.shift(at(300));
        log.refund(at(300), 1);
        assert!(log.newest < 0);
        let loaded = Log::from_snapshot(&log.to_snapshot()).unwrap();
        assert_eq!(loaded.to_snapshot(), log.to_snapshot());
        assert_eq!(loaded.at(at(300)).units(), 1);
    }

    #[test]
    fn the_snapshot_of_an_empty_log_is_empty() {
        let mut log = Log::default();
        assert_eq!(log.to_snapshot(), b"");
        log.record(Instant::MAX, Cost::ONE, Window::MAX);
        log.clear();
        assert_eq!(log.to_snapshot(), b"");
        assert!(Log::from_snapshot(&[]).is_ok_and(|log| log.is_empty()));
    }
}
